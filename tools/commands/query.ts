/** `freshet status`, `releases`: what this node knows. */
import type { Command } from 'commander'
import type { LiveStatus } from '../../actors/live-status.ts'
import type { NodeStatus } from '../../actors/status.ts'
import type { VersionsResult } from '../history-operations.ts'
import { liveLines } from '../live-text.ts'
import { formatBytes, formatCount, frozenText, rolloutLine } from '../output.ts'
import { rangeLines } from '../ranges-text.ts'
import { Redraw } from '../redraw.ts'
import { withNode } from '../run-operation.ts'
import { sharingLine } from '../sharing-text.ts'
import { verdictText } from '../verdict-view.ts'
import type { VerdictView } from '../verdict-view.ts'
import { contextOf, untilInterrupted, withBootstrap, withCommonOptions } from './context.ts'
import type { CommandContext, CommonOptions } from './context.ts'

interface Releases {
  readonly channel: string
  readonly releases: readonly {
    number: number
    publishedAt: string
    releasedAt: string
    suite: string
    ready: boolean
    tags: string[]
    frozen: boolean
    verdicts: readonly VerdictView[] | null
  }[]
}

export function addQueryCommands(program: Command): void {
  withCommonOptions(program.command('status'))
    .description('channels, peers, holdings, how far behind')
    .option('--watch', 'what changes, as it changes, until interrupted', false)
    .action(async (options: CommonOptions & { watch: boolean }) => {
      if (options.watch) return watch(options)
      const context = contextOf(options)
      const status = (await withNode(context, 'status', (call) => call('status', {}))) as NodeStatus
      context.output.result(status, () => statusText(status))
    })

  withBootstrap(withCommonOptions(program.command('releases').argument('<channel>')))
    .description('the history of a channel, or of one package in it')
    .option('--package <name>', 'its versions and the releases that held each: NAME[:ARCH][=VERSION]')
    .action(async (channel: string, options: CommonOptions & { package?: string }) => {
      const context = contextOf(options)
      const { package: name } = options
      if (name !== undefined) return showVersions(context, channel, name)
      const list = (await withNode(context, 'releases', (call) => call('releases', { channel }))) as Releases
      context.output.result(list, () => releasesText(list))
    })
}

/** Redrawn in a terminal; elsewhere one view after the other, or one object a line. */
async function watch(options: CommonOptions): Promise<void> {
  const redraw = process.stdout.isTTY && !options.json ? new Redraw(process.stdout) : null
  const context = contextOf(options, (value) => {
    const status = value as LiveStatus
    if (redraw !== null) redraw.draw(liveLines(status, redraw.screen))
    else
      process.stdout.write(options.json ? `${JSON.stringify(status)}\n` : `${liveLines(status, PAPER).join('\n')}\n\n`)
  })
  await withNode(context, 'status.watch', (call) => untilInterrupted(call('status.watch', {}), context.signal))
}

/** Where lines go that nobody's terminal cuts. */
const PAPER = { columns: 200, rows: 100 }

async function showVersions(context: CommandContext, channel: string, name: string): Promise<void> {
  const args = { channel, package: name }
  const found = (await withNode(context, 'versions', (call) => call('versions', args), {
    channels: [channel],
  })) as VersionsResult
  context.output.result(found, () => versionsText(found))
}

function versionsText({ newest, versions }: VersionsResult): string {
  const lines = versions.flatMap(({ version, architecture, ...ranges }) => [
    `${version} (${architecture})`,
    ...rangeLines(ranges, newest).map((line) => `  ${line}`),
  ])
  return lines.join('\n')
}

function statusText({
  channels,
  peers,
  lanPeers,
  tcpPeers,
  gateway,
  pool,
  fetching,
  mirrors,
  sharing,
}: NodeStatus): string {
  const lines = channels.map((channel) => {
    const { name, role, release, packages, behind, frozenSince, trouble, state, evidence, rollouts } = channel
    const at = release === 0 ? 'no release yet' : `#${release}, ${formatCount(packages)} packages`
    const late = behind > 0 ? `, ${behind} behind` : ''
    const held = rollouts.map((each) => `\n  ${rolloutLine(each)}${each.taken ? ', and taken here' : ''}`).join('')
    const proof = evidence === null ? '' : `\n  freshet audit --evidence ${evidence}`
    return `${name}  ${role}  ${at}${late}  ${state}${frozenText(frozenSince)}${trouble === null ? '' : `  ${trouble}`}${held}${proof}`
  })
  for (const { url, trouble, pausedUntil, wrong } of mirrors) {
    if (trouble === null && wrong.length === 0) continue
    const lies = wrong.length === 0 ? '' : `  gave ${formatCount(wrong.length)} files in other bytes`
    lines.push(
      `mirror ${url}  ${trouble ?? ''}${pausedUntil === null ? '' : `  not asked until ${pausedUntil}`}${lies}`,
    )
  }
  const partial = pool.partial > 0 ? `, ${pool.partial} incomplete` : ''
  lines.push(
    `${formatCount(pool.artifacts)} artifacts (${formatBytes(pool.bytes)})${partial}; ${fetching} being fetched`,
    `${peers} peers, ${lanPeers} on the local network, ${tcpPeers} over TCP; gateway ${gateway ?? 'not running'}`,
    sharingLine(sharing),
  )
  return lines.join('\n')
}

function releasesText({ channel, releases }: Releases): string {
  const lines = releases.map(({ number, publishedAt, suite, ready, tags, frozen, verdicts }) =>
    [`#${number}`, publishedAt, suite, ...tags, ready ? '' : 'not ready', frozen ? 'FROZEN' : '', verdictText(verdicts)]
      .filter((part) => part !== '')
      .join('  '),
  )
  return lines.join('\n') || `${channel} has no release yet`
}
