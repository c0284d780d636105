import { RpcError } from '../rpc-error.ts'

/** The one of `file` and `uri` that is given. @throws RpcError INVALID_PARAMS for none or both. */
export function networkSource(params: {
  readonly file?: string | undefined
  readonly uri?: string | undefined
}): string {
  const { file, uri } = params
  if (file !== undefined && uri === undefined) return file
  if (uri !== undefined && file === undefined) return uri
  throw new RpcError('INVALID_PARAMS', {
    issues: [{ path: '', message: 'exactly one of file and uri' }],
  })
}
