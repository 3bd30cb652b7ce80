/** Operations about the config file: the same in the daemon, which puts them in force at once, and in a command without one. */
import { settingText, SETTING_NAMES, SETTINGS } from '../schemas/node-config.ts'
import type { SettingName } from '../schemas/node-config.ts'
import { requireSetting } from '../schemas/config-text.ts'
import type { ConfigFile } from '../store/config-file.ts'
import { textOf } from './arguments.ts'
import type { Arguments } from './arguments.ts'

export const CONFIG_OPERATIONS = ['config.list', 'config.set', 'config.unset'] as const
export type ConfigOperation = (typeof CONFIG_OPERATIONS)[number]

/** One setting as `--json` shows it. */
export interface SettingView {
  readonly name: SettingName
  /** A number of `unit`, or a word; null is `off`. */
  readonly value: number | string | null
  readonly default: number | string | null
  /** The value as the file has it, or could have it. */
  readonly text: string
  readonly unit: string | null
  readonly source: 'file' | 'default'
  readonly accepts: string
  readonly means: string
}

export interface ConfigView {
  readonly path: string
  readonly settings: readonly SettingView[]
}

export function configOperations(file: ConfigFile): Record<ConfigOperation, (args: Arguments) => Promise<unknown>> {
  return {
    'config.list': async (): Promise<ConfigView> => ({
      path: file.path,
      settings: SETTING_NAMES.map((name) => viewOf(file, name)),
    }),
    'config.set': async (args) => {
      await file.set(textOf(args, 'name'), textOf(args, 'value'))
      return viewOf(file, requireSetting(textOf(args, 'name')))
    },
    'config.unset': async (args) => {
      const name = textOf(args, 'name')
      await file.unset(name)
      return { name, path: file.path }
    },
  }
}

function viewOf({ inForce }: ConfigFile, name: SettingName): SettingView {
  const { unit, accepts, means } = SETTINGS[name]
  const value = inForce.config[name]
  const written = inForce.written.get(name)
  return {
    name,
    value: plain(name, value),
    default: plain(name, SETTINGS[name].default),
    text: written ?? settingText(name, value),
    unit,
    source: written === undefined ? 'default' : 'file',
    accepts,
    means,
  }
}

function plain<Name extends SettingName>(
  name: Name,
  value: ConfigFile['inForce']['config'][Name],
): SettingView['value'] {
  return typeof value === 'object' && value !== null ? settingText(name, value) : value
}
