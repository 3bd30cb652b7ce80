/** Audits of a TestChannel, and releases as a dishonest publisher with the key would append them. */
import type { Assert } from 'brittle'
import type Hypercore from 'hypercore'
import type { AuditReport } from '../../schemas/audit-report.ts'
import { encodeEvent, type Release } from '../../schemas/events.ts'
import type { ReleaseDraft } from '../../schemas/release-draft.ts'
import { type AuditOptions, auditChannel } from '../../store/audit/audit-channel.ts'
import type { ComposedRelease } from '../../store/compose-release.ts'
import { type IndexChanges, PackageIndex } from '../../store/package-index.ts'
import { ALL, type Indexes, MAIN, NO_ROOTS, scratchFolder, stanza, type TestChannel } from './channel.ts'

const CONTRIB = 'contrib/binary-amd64/Packages'

/** Packages that come, go, come back, move and are upgraded, over two or three indexes. */
export function indexesOf(number: number): Indexes {
  const main = Array.from({ length: 30 }, (_, i) =>
    (i + number) % 17 === 0 ? '' : stanza(`main${i}`, `1.${Math.floor((number + i) / 30)}`),
  )
  if (number % 5 === 0) main.reverse()
  const section = number % 4 === 0 ? 'web' : 'misc'
  const shared = stanza('shared', `${Math.floor(number / 9)}`, { architecture: 'all', section })
  const contrib = number % 6 === 0 ? {} : { [CONTRIB]: stanza('contrib', `${Math.floor(number / 3)}`) }
  return { [MAIN]: main.join('') + shared, [ALL]: shared, ...contrib }
}

export async function publishTag(channel: TestChannel, name: string, number: number): Promise<void> {
  const { log } = channel
  const { releaseBlock, noteBlock } = await log.newest()
  await log.appendNote(log.length, { type: 'tag', atMs: 1, releaseBlock, noteBlock, name, number })
}

export async function publishMirrors(channel: TestChannel, ...urls: string[]): Promise<void> {
  const { log } = channel
  await log.appendNote(log.length, { type: 'mirrors', atMs: 1, ...(await log.newest()), urls })
}

/** @param halted why; null: it is not. */
export async function publishRollout(
  channel: TestChannel,
  number: number,
  share: number,
  halted: string | null = null,
): Promise<void> {
  const { log } = channel
  await log.appendNote(log.length, { type: 'rollout', atMs: 1, ...(await log.newest()), number, share, halted })
}

export async function auditOf(
  t: Assert,
  channel: Pick<TestChannel, 'log'>,
  options: Partial<AuditOptions> = {},
): Promise<AuditReport> {
  return auditChannel(channel.log, {
    pool: null,
    accepted: null,
    since: 1,
    upstream: null,
    sample: null,
    scratch: await scratchFolder(t),
    judge: async () => ({ kind: 'good', signers: ['KEY'], channelKey: false }),
    maintainerLog: () => Promise.reject(new Error('nobody writes the metadata of this channel')),
    waitMs: 100,
    signal: new AbortController().signal,
    onProgress: () => {},
    ...options,
  })
}

/** One line for each failure: its code and where. */
export function failuresOf({ failures }: AuditReport): string[] {
  return failures.map(({ code, message: _, ...position }) =>
    [code, ...Object.entries(position).map(([name, value]) => `${name}=${value}`)].join(' '),
  )
}

/** What a publisher with the key may put in the place of what is right. */
export interface Lie {
  readonly draft?: Partial<ReleaseDraft>
  readonly release?: (release: Release) => Release
  readonly blocks?: (blocks: readonly Buffer[], base: number) => readonly Buffer[]
  readonly changes?: (changes: IndexChanges) => IndexChanges
}

/** Appends the release that `indexes` are, with a lie in it; whatever is not lied about is right. @returns its block. */
export async function publishLie(channel: TestChannel, indexes: Indexes, lie: Lie): Promise<number> {
  const { log } = channel
  const composed: ComposedRelease = await channel.compose(indexes, lie.draft)
  const index = await log.indexCore()
  await PackageIndex.update(index, composed.release.number, lie.changes?.(composed.changes) ?? composed.changes)
  const release: Release = {
    ...composed.release,
    ...NO_ROOTS,
    verdicts: null,
    index: { length: index.length, treeHash: await index.treeHash() },
    headBefore: log.head(),
  }
  const blocks = lie.blocks?.(composed.blocks, composed.base) ?? composed.blocks
  const said = lie.release?.(release) ?? release
  await log.core.append([...blocks, encodeEvent({ type: 'release', ...said })])
  return log.length - 1
}

/** From now on `core` gives other bytes for one block, as a damaged disk would. @returns what ends that. */
export function damage(core: Hypercore, block: number, change: (bytes: Buffer) => Buffer): () => void {
  const honest = core.get.bind(core)
  core.get = async (at, options) => {
    const bytes = await honest(at, options)
    return at === block && bytes !== null ? change(Buffer.from(bytes)) : bytes
  }
  return () => {
    core.get = honest
  }
}

export function flipped(bytes: Buffer, at: number, mask = 1): Buffer {
  const changed = Buffer.from(bytes)
  changed[at] = (changed[at] ?? 0) ^ mask
  return changed
}
