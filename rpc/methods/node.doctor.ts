import type { Handler } from '../server/method.ts'

export const nodeDoctor: Handler<'node.doctor'> = ({ node }, params) => node.node.doctor(params)
