import type { Handler } from '../server/method.ts'

export const identityGet: Handler<'identity.get'> = ({ node }) => node.identity.get()
