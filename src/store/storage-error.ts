import { HearsayError } from '../base/index.ts'

/** LevelDB passes on the text of strerror(3) only, so the text has to do. */
export function isFullDisk(cause: unknown): boolean {
  const { code, message } = cause as { code?: string; message?: string }
  return (
    code === 'ENOSPC' || code === 'EDQUOT' || /no space left|quota exceeded/i.test(message ?? '')
  )
}

/** The error of a failed write: `storage-full` or `storage-failed`. */
export function writeError(cause: unknown): HearsayError {
  if (cause instanceof HearsayError) return cause
  return isFullDisk(cause)
    ? new HearsayError('storage-full', 'no space left on the device', {}, cause)
    : new HearsayError('storage-failed', 'a write to the store failed', {}, cause)
}

export function corrupt(message: string, details: Record<string, number> = {}, cause?: unknown) {
  return new HearsayError('storage-corrupt', message, details, cause)
}
