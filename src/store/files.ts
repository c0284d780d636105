/** An open file. Offsets are absolute; nothing is durable before `sync`. */
export interface OpenFile {
  /** Up to `length` bytes; fewer at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>
  /** Writes all bytes; the file grows as needed. */
  write(offset: number, bytes: Uint8Array): Promise<void>
  /** Returns when the data and the size are on disk. */
  sync(): Promise<void>
  size(): Promise<number>
  close(): Promise<void>
}

export interface FileStatus {
  /** Permission bits. */
  readonly mode: number
  readonly bytes: number
}

/** What tells a file from its copy; 0 where the file system does not know. */
export interface FileIdentity {
  readonly inode: bigint
  /** When this file was made, nanoseconds since 1970; a copy is made later, whatever else it keeps. */
  readonly birthNs: bigint
}

/** What the store needs of a file system besides LevelDB. Tests inject crashes and errors here. */
export interface FilePort {
  /** Fails with code EEXIST when there is one. Mode 0600 from the first moment. */
  create(path: string): Promise<OpenFile>
  /** Undefined when there is none. */
  open(path: string): Promise<OpenFile | undefined>
  status(path: string): Promise<FileStatus | undefined>
  /** Undefined when there is none. */
  identity(path: string): Promise<FileIdentity | undefined>
  /** Takes the place of a file of the new name. Durable after `syncDirectory`. */
  rename(from: string, to: string): Promise<void>
  /** No error when there is none. */
  remove(path: string): Promise<void>
  /** With its parents, mode 0700. */
  makeDirectory(path: string): Promise<void>
  /** Makes created and removed names durable. */
  syncDirectory(path: string): Promise<void>
  freeBytes(path: string): Promise<number>
  /** The files directly inside; none when there is no such directory. */
  list(path: string): Promise<readonly { readonly name: string; readonly bytes: number }[]>
}
