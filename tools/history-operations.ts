/** Operations about the history of channels: what differs, since when, and which release a WHEN is. */
import type { Channel } from '../actors/channel.ts'
import type { Node } from '../actors/node.ts'
import type { ControlIo } from '../protocols/control-server.ts'
import { compareVersions } from '../schemas/debian-version.ts'
import { FreshetError } from '../schemas/errors.ts'
import { fileOf } from '../schemas/package-difference.ts'
import type { ChangeKind, PackageDifference } from '../schemas/package-difference.ts'
import { intersectionOf, unionOf } from '../schemas/release-ranges.ts'
import type { ReleaseRange } from '../schemas/release-ranges.ts'
import { HISTORY_RELEASES_MAX } from '../schemas/limits.ts'
import { parseWhen, splitChannelWhen } from '../schemas/when.ts'
import type { VersionRanges } from '../store/package-history.ts'
import type { ReleaseSummary } from '../store/release-block.ts'
import { differenceOfSnapshots } from '../store/snapshot-difference.ts'
import { architectureOfIndex } from '../schemas/index-path.ts'
import { tracePackages } from '../actors/ports/trace-package.ts'
import type { TracedRelease } from '../actors/ports/trace-package.ts'
import { optionalTextOf, packageText, parsePackage, textOf, textsOf } from './arguments.ts'
import type { Arguments, PackageName } from './arguments.ts'

export const HISTORY_OPERATIONS = ['release', 'diff', 'when', 'versions', 'provenance', 'history.files'] as const
type HistoryOperation = (typeof HISTORY_OPERATIONS)[number]
type Operation = (args: Arguments, io: ControlIo) => Promise<unknown>

export function historyOperations(node: Node): Record<HistoryOperation, Operation> {
  const channelOf = (args: Arguments): Channel => node.session.channel(textOf(args, 'channel'))
  return {
    release: async (args) => releaseView(await findRelease(node, textOf(args, 'of'))),
    diff: (args, io) => diff(node, args, io),
    when: (args) => heldTogether(channelOf(args), textsOf(args, 'packages')),
    provenance: (args) => provenance(channelOf(args), optionalTextOf(args, 'when'), textOf(args, 'package')),
    'history.files': (args, io) => historyFiles(channelOf(args), textsOf(args, 'architectures'), io),
    versions: (args) => versionsOverTime(channelOf(args), textOf(args, 'package')),
  }
}

interface FoundRelease {
  readonly channel: Channel
  readonly release: ReleaseSummary
}

export interface ReleaseView {
  readonly channel: string
  readonly id: string
  readonly release: number
  readonly suite: string
  readonly publishedAt: string
}

/** @param text CHANNEL[@WHEN]. */
async function findRelease(node: Node, text: string): Promise<FoundRelease> {
  const { channel: name, when } = splitChannelWhen(text)
  const wanted = parseWhen(when)
  const channel = node.session.channel(name)
  return { channel, release: await channel.history.resolve(wanted) }
}

function releaseView({ channel, release }: FoundRelease): ReleaseView {
  const { number, suite, publishedAtMs } = release
  return { channel: channel.name, id: channel.log.id, release: number, suite, publishedAt: timeOf(publishedAtMs) }
}

/** One package of a difference; `size` and `sha256` are those of the file that came, or of the one that went. */
export interface DiffItem {
  readonly name: string
  readonly architecture: string
  readonly from: string | null
  readonly to: string | null
  readonly size: number
  readonly sha256: string
  /** Of a changed package: the file before. The same as `sha256` where only its stanza changed. */
  readonly fromSha256?: string
}

export interface DiffResult extends Readonly<Record<ChangeKind, readonly DiffItem[]>> {
  readonly from: ReleaseView
  readonly to: ReleaseView
  /** Of the files that came. */
  readonly bytes: number
}

async function diff(node: Node, args: Arguments, io: ControlIo): Promise<DiffResult> {
  const [from, to] = [await findRelease(node, textOf(args, 'from')), await findRelease(node, textOf(args, 'to'))]
  const differences = await differenceOfSnapshots(await snapshotOf(from), await snapshotOf(to), {
    signal: io.signal,
    onProgress: (done, total) => io.progress({ phase: 'compare', done, total }),
  })
  const lists: Record<ChangeKind, DiffItem[]> = { added: [], removed: [], upgraded: [], downgraded: [], changed: [] }
  for (const difference of differences) lists[difference.kind].push(diffItem(difference))
  const bytes = differences.reduce((sum, { before, after }) => {
    return before?.digest === after?.digest ? sum : sum + (after?.byteLength ?? 0)
  }, 0)
  return { from: releaseView(from), to: releaseView(to), ...lists, bytes }
}

async function snapshotOf({ channel: { log, history }, release }: FoundRelease) {
  return { log, plan: await history.plan(release.number) }
}

function diffItem(difference: PackageDifference): DiffItem {
  const { kind, before, after } = difference
  const { name, architecture, byteLength, digest } = fileOf(difference)
  const [from, to] = [before?.version ?? null, after?.version ?? null]
  const item = { name, architecture, from, to, size: byteLength, sha256: digest }
  return kind === 'changed' && before !== null ? { ...item, fromSha256: before.digest } : item
}

type NumberRange = readonly [first: number, last: number]
type TimeRange = readonly [first: string, last: string]

/** Ranges of releases, and when the first and the last of each were published. */
export interface RangesView {
  readonly ranges: readonly NumberRange[]
  readonly times: readonly TimeRange[]
}

export interface VersionView extends RangesView {
  readonly name: string
  readonly version: string
  readonly architecture: string
}

export interface WhenResult extends RangesView {
  readonly channel: string
  /** The newest release: a range that ends with it is still open. */
  readonly newest: number
  /** Versions that the wishes match. */
  readonly packages: readonly VersionView[]
}

async function heldTogether(channel: Channel, wishes: readonly string[]): Promise<WhenResult> {
  if (wishes.length === 0) throw new FreshetError('USAGE', 'name a package')
  const parsed = wishes.map(parsePackage)
  const { number: newest } = await channel.index()
  let common: readonly ReleaseRange[] = [{ first: 1, last: newest }]
  const matching = await Promise.all(
    parsed.map(async (wish) => fitting(await channel.versions(wish.name), wish, channel)),
  )
  for (const versions of matching) {
    common = intersectionOf(common, unionOf(versions.flatMap(({ ranges }) => ranges)))
  }
  const packages = await Promise.all(matching.flat().map((version) => versionView(channel, version)))
  return { channel: channel.name, newest, ...(await rangesView(channel, common)), packages }
}

/** Every stanza that the newest releases held, in a file, for a command that searches them itself. */
export interface HistoryFiles {
  readonly channel: string
  readonly first: number
  readonly newest: number
  readonly filePath: string
  /** Of each stanza, in the order of the file: first and last release, once or several times. */
  readonly spans: readonly (readonly number[])[]
}

async function historyFiles(channel: Channel, architectures: readonly string[], io: ControlIo): Promise<HistoryFiles> {
  const { number: newest } = await channel.history.resolve({ kind: 'newest' })
  const first = Math.max(newest - HISTORY_RELEASES_MAX + 1, 1)
  const { filePath, spans } = await channel.stanzasOver(
    { first, last: newest },
    {
      isWanted: (path) => ['all', ...architectures].includes(architectureOfIndex(path)),
      signal: io.signal,
      onProgress: (done, total) => io.progress({ phase: 'history', done, total }),
    },
  )
  return {
    channel: channel.name,
    first,
    newest,
    filePath,
    spans: spans.map((of) => of.flatMap(({ first: from, last }) => [from, last])),
  }
}

/** One package, and the signed logs that it came through. */
export interface ProvenanceItem {
  readonly name: string
  readonly version: string
  readonly architecture: string
  readonly size: number
  readonly sha256: string
  readonly path: readonly TracedRelease[]
  readonly brought: TracedRelease
}

export interface ProvenanceResult {
  readonly channel: string
  readonly packages: readonly ProvenanceItem[]
}

async function provenance(channel: Channel, when: string | null, text: string): Promise<ProvenanceResult> {
  const { name, version, architecture } = parsePackage(text)
  const packages = (await tracePackages(channel, parseWhen(when), name))
    .filter(({ stanza }) => [null, stanza.version].includes(version))
    .filter(({ stanza }) => [null, stanza.architecture].includes(architecture))
    .map(({ stanza, path, brought }): ProvenanceItem => {
      const { byteLength: size, digest: sha256 } = stanza
      return { name, version: stanza.version, architecture: stanza.architecture, size, sha256, path, brought }
    })
  if (packages.length > 0) return { channel: channel.name, packages }
  throw new FreshetError('PACKAGE_UNKNOWN', `there is no ${text} in this release of ${channel.name}`, { name, version })
}

export interface VersionsResult {
  readonly channel: string
  readonly package: string
  readonly newest: number
  readonly versions: readonly VersionView[]
}

async function versionsOverTime(channel: Channel, text: string): Promise<VersionsResult> {
  const wish = parsePackage(text)
  const { number: newest } = await channel.index()
  const found = fitting(await channel.versions(wish.name), wish, channel)
  const versions = await Promise.all(found.map((version) => versionView(channel, version)))
  return { channel: channel.name, package: wish.name, newest, versions }
}

/** @throws FreshetError PACKAGE_UNKNOWN when no release held any of these. */
function fitting(versions: readonly VersionRanges[], wish: PackageName, { name: channel }: Channel): VersionRanges[] {
  const { name, version, architecture } = wish
  const found = versions.filter(
    (held) =>
      (version === null || held.version === version) && (architecture === null || held.architecture === architecture),
  )
  if (found.length > 0) return found
  const what = packageText(wish)
  const known = knownVersions(versions)
  throw new FreshetError(
    'PACKAGE_UNKNOWN',
    `no release of ${channel} held ${what}${known === '' ? '' : `; it held ${known}`}`,
    { name, version, architecture },
  )
}

/** Versions that an error names: the newest ones. */
const KNOWN_VERSIONS_SHOWN = 12

function knownVersions(versions: readonly VersionRanges[]): string {
  const sorted = [...versions].sort((a, b) => compareVersions(b.version, a.version))
  const shown = sorted.slice(0, KNOWN_VERSIONS_SHOWN).map(({ version, architecture }) => `${version} (${architecture})`)
  const more = sorted.length - shown.length
  return `${shown.join(', ')}${more > 0 ? ` and ${more} older ones` : ''}`
}

async function versionView(channel: Channel, version: VersionRanges): Promise<VersionView> {
  const { name, architecture, ranges } = version
  return { name, version: version.version, architecture, ...(await rangesView(channel, ranges)) }
}

async function rangesView({ history }: Channel, ranges: readonly ReleaseRange[]): Promise<RangesView> {
  const times: TimeRange[] = []
  for (const { first, last } of ranges) {
    const [from, until] = [await history.summary(first), await history.summary(last)]
    times.push([timeOf(from.publishedAtMs), timeOf(until.publishedAtMs)])
  }
  return { ranges: ranges.map(({ first, last }) => [first, last] as const), times }
}

function timeOf(atMs: number): string {
  return new Date(atMs).toISOString()
}
