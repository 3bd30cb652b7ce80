/** `freshet config`: the settings of a node, by the daemon of its home where one runs, else in the file. */
import type { Command } from 'commander'
import { connectControl } from '../../protocols/control-client.ts'
import { controlPath } from '../../protocols/control-path.ts'
import { requireSetting } from '../../schemas/config-text.ts'
import { ConfigFile } from '../../store/config-file.ts'
import { homeAt } from '../../store/home.ts'
import { configOperations } from '../config-operations.ts'
import type { ConfigOperation, ConfigView, SettingView } from '../config-operations.ts'
import { contextOf, withCommonOptions } from './context.ts'
import type { CommandContext, CommonOptions } from './context.ts'

export function addConfigCommands(program: Command): void {
  const config = program
    .command('config')
    .description('caps, budgets, hours, and what to do on battery and metered links')

  withCommonOptions(config.command('list', { isDefault: true }))
    .description('every setting: its value, its default, what it means')
    .action(async (options: CommonOptions) => {
      const context = contextOf(options)
      const view = (await call(context, 'config.list', {})) as ConfigView
      context.output.result(view, () => [...view.settings.map(settingLines), `in ${view.path}`].join('\n'))
    })

  withCommonOptions(config.command('get').argument('<name>'))
    .description('the value of one setting')
    .action(async (name: string, options: CommonOptions) => {
      const context = contextOf(options)
      requireSetting(name)
      const { settings } = (await call(context, 'config.list', {})) as ConfigView
      const found = settings.find((setting) => setting.name === name)
      context.output.result(found, () => found?.text ?? '')
    })

  withCommonOptions(config.command('set').argument('<name>').argument('<value>'))
    .description('change one setting; in force at once where the daemon runs')
    .action(async (name: string, value: string, options: CommonOptions) => {
      const context = contextOf(options)
      const setting = (await call(context, 'config.set', { name, value })) as SettingView
      context.output.result(setting, () => `${setting.name} = ${setting.text}`)
    })

  withCommonOptions(config.command('unset').argument('<name>'))
    .description('back to the default; also takes a line out that names no setting')
    .action(async (name: string, options: CommonOptions) => {
      const context = contextOf(options)
      const done = await call(context, 'config.unset', { name })
      context.output.result(done, () => `${name} is as by default`)
    })
}

/** Without a daemon no node is opened: a config that keeps one from starting must be mended somehow. */
async function call({ home, signal }: CommandContext, operation: ConfigOperation, args: object): Promise<unknown> {
  const client = await connectControl(controlPath(home))
  if (client !== null) {
    try {
      return await client.call(operation, args, { signal })
    } finally {
      await client.close()
    }
  }
  const file = new ConfigFile(homeAt(home).config)
  if (operation === 'config.list') await file.reread()
  return configOperations(file)[operation]({ ...args })
}

function settingLines({ name, text, source, means, accepts, ...setting }: SettingView): string {
  const from = source === 'default' ? 'default' : `default: ${setting.default ?? 'off'}`
  return `${name} = ${text}  (${from})\n  ${means}\n  ${accepts}`
}
