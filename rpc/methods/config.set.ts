import type { Handler } from '../server/method.ts'

export const configSet: Handler<'config.set'> = ({ node, config, call }, { key, value, persist }) =>
  node.remember(call, async () => {
    const { applied } = await config.set(key, value, persist)
    return { applied }
  })
