/** `freshet advisories CHANNEL[@WHEN] [--installed]`: what a channel warns of, or what of it this machine has. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { splitChannelWhen } from '../../schemas/when.ts'
import { SYSTEM_STATUS } from '../../store/installed-packages.ts'
import type { AdvisoriesResult } from '../advisories.ts'
import { concernText } from '../output.ts'
import { withNode } from '../run-operation.ts'
import { contextOf, withBootstrap, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'

interface AdvisoriesOptions extends CommonOptions {
  readonly installed: boolean
  readonly status?: string
}

export function addAdvisoriesCommand(program: Command): void {
  withBootstrap(withCommonOptions(program.command('advisories').argument('<channel[@when]>')))
    .description('versions that were withdrawn, advisories and sets that are known to be bad')
    .option('--installed', 'only what is about packages that this machine has', false)
    .option('--status <file>', `with --installed: what is installed, as dpkg writes it; default: ${SYSTEM_STATUS}`)
    .action(async (text: string, options: AdvisoriesOptions) => {
      const context = contextOf(options)
      const { installed, status } = options
      const file = installed || status !== undefined ? resolve(status ?? SYSTEM_STATUS) : null
      const args = { ...splitChannelWhen(text), status: file }
      const found = (await withNode(context, 'advisories', (call) => call('advisories', args))) as AdvisoriesResult
      context.output.result(found, () => advisoriesText(found))
    })
}

function advisoriesText({ channel, withdrawn, advisories, knownBad, concerns }: AdvisoriesResult): string {
  if (concerns !== null) {
    return concerns.map(concernText).join('\n') || `nothing that ${channel} warns of is installed`
  }
  const lines = [
    ...advisories.map((one) => {
      const about = { severity: one.severity, fixed: one.fixed, reference: one.reference, text: one.summary }
      const versions = one.affected === null ? '' : ` (${one.affected})`
      return concernText({ kind: 'advisory', subject: one.id, installed: [`${one.package}${versions}`], ...about })
    }),
    ...withdrawn.map(
      ({ name, version, reason }) => `${name}=${version} was withdrawn: ${reason.replaceAll('\n', ' ')}`,
    ),
    ...knownBad.map(({ set, note, members }) => {
      const installed = Object.entries(members).map(([name, version]) => `${name}=${version}`)
      const about = { severity: null, fixed: null, reference: null, text: note }
      return concernText({ kind: 'known-bad', subject: set, installed, ...about })
    }),
  ]
  return lines.join('\n') || `${channel} warns of nothing`
}
