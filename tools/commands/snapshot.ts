/** `freshet snapshot CHANNEL[@WHEN] [--write DIR]`: what a release contains, and all of it as a repository of its own. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { WrittenSnapshot } from '../../actors/ports/write-snapshot.ts'
import { FreshetError } from '../../schemas/errors.ts'
import { splitChannelWhen } from '../../schemas/when.ts'
import type { Freshness } from '../freshness-of.ts'
import { formatBytes, formatCount, frozenText } from '../output.ts'
import { withNode } from '../run-operation.ts'
import { verdictLines } from '../verdict-view.ts'
import type { VerdictView } from '../verdict-view.ts'
import { contextOf, withBootstrap, withCommonOptions } from './context.ts'
import type { CommandContext, CommonOptions } from './context.ts'

interface SnapshotOptions extends CommonOptions {
  readonly write?: string
  readonly metadataOnly: boolean
  readonly link: boolean
  readonly allowMissing: boolean
}

interface SnapshotResult extends Freshness {
  readonly channel: string
  readonly release: number
  readonly releasedAt: string
  readonly packages: number
  readonly verdicts: readonly VerdictView[] | null
  readonly indexes: readonly { path: string; size: number; sha256: string }[]
}

export function addSnapshotCommand(program: Command): void {
  withBootstrap(withCommonOptions(program.command('snapshot').argument('<channel[@when]>')))
    .description('what a release contains; WHEN is #NUMBER, a time (ISO 8601) or a tag')
    .option('--write <dir>', 'write it there as a complete apt repository; missing packages are fetched')
    .option('--metadata-only', 'with --write: no packages, only the indexes and InRelease', false)
    .option('--link', 'with --write: hard links into the pool, read-only, instead of copies, where possible', false)
    .option('--allow-missing', 'with --write: finish although packages cannot be had', false)
    .action(async (text: string, options: SnapshotOptions) => {
      const context = contextOf(options)
      if (options.write !== undefined) return write(context, text, options, resolve(options.write))
      if (options.metadataOnly || options.link || options.allowMissing) {
        throw new FreshetError('USAGE', '--metadata-only, --link and --allow-missing come with --write DIR')
      }
      const wanted = splitChannelWhen(text)
      const snapshot = (await withNode(context, 'snapshot', (call) => call('snapshot', wanted))) as SnapshotResult
      context.output.result(snapshot, () => snapshotText(snapshot))
    })
}

async function write(context: CommandContext, text: string, options: SnapshotOptions, directory: string) {
  const { metadataOnly, link, allowMissing } = options
  const args = { ...splitChannelWhen(text), directory, metadataOnly, link, allowMissing }
  const call = await withNode(context, 'snapshot.write', (run) => run('snapshot.write', args))
  const written = call as WrittenSnapshot & Freshness
  context.output.result(written, () => writtenText(written))
  if (written.complete) return
  const { missingCount: missing, release } = written
  const message = `${formatCount(missing)} of the files of #${release} cannot be had; no InRelease was written`
  throw new FreshetError('SNAPSHOT_INCOMPLETE', message, { missing, release })
}

function snapshotText(snapshot: SnapshotResult): string {
  const { channel, release, releasedAt, packages, frozenSince, indexes, verdicts } = snapshot
  const lines = indexes.map(({ path, size, sha256 }) => `  ${sha256}  ${size}  ${path}`)
  const head = `${channel} #${release}, ${releasedAt}: ${formatCount(packages)} packages${frozenText(frozenSince)}`
  return [head, ...verdictLines(verdicts), ...lines].join('\n')
}

function writtenText(written: WrittenSnapshot & Freshness): string {
  const { channel, release, directory, indexes, files, bytes, frozenSince, missing, missingCount } = written
  const counts = `${formatCount(indexes)} indexes, ${formatCount(files)} packages (${formatBytes(bytes)})`
  const more = missingCount - missing.length
  return [
    `${channel} #${release} in ${directory}: ${counts}${frozenText(frozenSince)}`,
    ...missing.map(({ path, size, sha256 }) => `  missing  ${sha256}  ${size}  ${path}`),
    ...(more > 0 ? [`  and ${formatCount(more)} more`] : []),
  ].join('\n')
}
