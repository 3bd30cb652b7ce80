/** `freshet status`, `releases`, `snapshot`: what this node knows. */
import type { Command } from 'commander'
import type { NodeStatus } from '../../actors/status.ts'
import { splitChannelWhen } from '../../schemas/when.ts'
import { formatBytes, formatCount } from '../output.ts'
import { withNode } from '../run-operation.ts'
import { contextOf, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'

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
  }[]
}

interface SnapshotResult {
  readonly channel: string
  readonly release: number
  readonly releasedAt: string
  readonly packages: number
  readonly frozenSince: string | null
  readonly indexes: readonly { path: string; size: number; sha256: string }[]
}

export function addQueryCommands(program: Command): void {
  withCommonOptions(program.command('status'))
    .description('channels, peers, holdings, how far behind')
    .action(async (options: CommonOptions) => {
      const context = contextOf(options)
      const status = (await withNode(context, 'status', (call) => call('status', {}))) as NodeStatus
      context.output.result(status, () => statusText(status))
    })

  withCommonOptions(program.command('releases').argument('<channel>'))
    .description('the history of a channel')
    .action(async (channel: string, options: CommonOptions) => {
      const context = contextOf(options)
      const list = (await withNode(context, 'releases', (call) => call('releases', { channel }))) as Releases
      context.output.result(list, () => releasesText(list))
    })

  withCommonOptions(program.command('snapshot').argument('<channel[@when]>'))
    .description('what a release contains; WHEN is #NUMBER, a time (ISO 8601) or a tag')
    .action(async (text: string, options: CommonOptions) => {
      const context = contextOf(options)
      const wanted = splitChannelWhen(text)
      const snapshot = (await withNode(context, 'snapshot', (call) => call('snapshot', wanted))) as SnapshotResult
      context.output.result(snapshot, () => snapshotText(snapshot))
    })
}

function statusText({ channels, peers, gateway, pool, fetching }: NodeStatus): string {
  const lines = channels.map(({ name, role, release, packages, behind, frozenSince, trouble, state }) => {
    const at = release === 0 ? 'no release yet' : `#${release}, ${formatCount(packages)} packages`
    const late = behind > 0 ? `, ${behind} behind` : ''
    return `${name}  ${role}  ${at}${late}  ${state}${frozenText(frozenSince)}${trouble === null ? '' : `  ${trouble}`}`
  })
  const partial = pool.partial > 0 ? `, ${pool.partial} incomplete` : ''
  lines.push(
    `${formatCount(pool.artifacts)} artifacts (${formatBytes(pool.bytes)})${partial}; ${fetching} being fetched`,
    `${peers} peers; gateway ${gateway ?? 'not running'}`,
  )
  return lines.join('\n')
}

function frozenText(since: string | null): string {
  return since === null ? '' : `  FROZEN since ${since}`
}

function releasesText({ channel, releases }: Releases): string {
  const lines = releases.map(({ number, publishedAt, suite, ready, tags, frozen }) =>
    [`#${number}`, publishedAt, suite, ...tags, ready ? '' : 'not ready', frozen ? 'FROZEN' : '']
      .filter((part) => part !== '')
      .join('  '),
  )
  return lines.join('\n') || `${channel} has no release yet`
}

function snapshotText({ channel, release, releasedAt, packages, frozenSince, indexes }: SnapshotResult): string {
  const lines = indexes.map(({ path, size, sha256 }) => `  ${sha256}  ${size}  ${path}`)
  return [
    `${channel} #${release}, ${releasedAt}: ${formatCount(packages)} packages${frozenText(frozenSince)}`,
    ...lines,
  ].join('\n')
}
