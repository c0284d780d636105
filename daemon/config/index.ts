/** config: the keys of config.toml, where their values come from, and how a file is edited. */
export { setInText } from './edit.ts'
export { exampleConfig } from './example.ts'
export { CONFIG_KEY_NAMES, CONFIG_KEYS } from './keys.ts'
export type { ConfigKeyName, ConfigValue, LogLevel } from './keys.ts'
export { editedText, LiveConfig, writeConfigFile } from './live.ts'
export { asConfigKey, Config, check, loadConfig, parseConfig } from './load.ts'
export { nearest } from './nearest.ts'
