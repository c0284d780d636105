import type { Handler } from '../server/method.ts'

export const configReload: Handler<'config.reload'> = async ({ config }) => {
  const { restartNeeded } = await config.reload()
  return { restartNeeded: [...restartNeeded] }
}
