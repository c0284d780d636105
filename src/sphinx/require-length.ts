import { HearsayError } from '../base/index.ts'

/** @throws HearsayError `bad-length`. */
export function requireLength(name: string, bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) {
    throw new HearsayError('bad-length', `${name} has the wrong length`, { length: bytes.length })
  }
}
