/** hooks: programs that get events on their stdin, each behind a durable consumer. */
export { hookEnvironment } from './environment.ts'
export { Hooks } from './hooks.ts'
