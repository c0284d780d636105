import type { Handler } from '../server/method.ts'

export const configGet: Handler<'config.get'> = async ({ config }, { key }) => ({
  values: await config.get(key),
})
