/** What `freshet why` tells: where the bytes of artifacts came from, who was asked, and what was waited for. A view of a session. */
import type { FetchReport, SourceKind, SourceReport } from '../schemas/fetch-report.ts'
import type { FactOf } from '../schemas/journal.ts'
import { WHY_FETCHES_MAX } from '../schemas/limits.ts'
import type { DigestHex } from '../schemas/units.ts'
import { mergedSources } from '../protocols/fetch-tally.ts'
import type { Channel } from './channel.ts'
import type { EndedFetch } from './fetch-history.ts'
import type { RunningFetch } from './ports/fetches.ts'
import type { Session } from './session.ts'

/** Bytes, by where they came from; `here`: left in the pool by an earlier try. */
export type BytesBySource = Readonly<Record<SourceKind | 'here', number>>

/** The newest fetch of an artifact. */
export interface FetchView {
  readonly sha256: DigestHex
  readonly size: number
  /** In the repository; null: not known. */
  readonly path: string | null
  readonly state: 'fetching' | 'kept' | 'unavailable'
  /** Why it was given up. */
  readonly code: string | null
  readonly wantedAt: string
  readonly endedAt: string | null
  readonly bytes: BytesBySource
  /** What was waited for, one after the other, in milliseconds; null: not recorded. */
  readonly waits: Omit<FetchReport, 'heldBytes' | 'sources'> | null
  readonly sources: readonly SourceReport[]
}

export interface ArtifactWhy {
  readonly sha256: DigestHex
  /** Where it lies; null: it is not here. An adopted file is one of this host's own, used where it was found. */
  readonly held: { readonly path: string; readonly adopted: boolean } | null
  /** Null: it came to the pool in another way, or so long ago that it is forgotten. */
  readonly fetch: FetchView | null
}

export interface ReleaseWhy {
  readonly channel: string
  readonly release: number
  /** Files that came with this release and were fetched here, as far as it is remembered. */
  readonly fetches: Readonly<Record<FetchView['state'], number>>
  readonly bytes: BytesBySource
  readonly sources: readonly SourceReport[]
  readonly wantedAt: string | null
  readonly endedAt: string | null
  /** Those kept that took longest, and the last that were given up. */
  readonly slowest: readonly FetchView[]
  readonly failed: readonly FetchView[]
}

export function whyArtifact({ pool, fetches, fetchHistory }: Session, digest: DigestHex): ArtifactWhy {
  const path = pool.held(digest) === null ? null : pool.pathOf(digest)
  const running = fetches.of(digest)
  const ended = fetchHistory.of(digest)
  const fetch = running !== null ? viewOfRunning(running) : ended === null ? null : viewOfEnded(ended)
  const held = path === null ? null : { path, adopted: pool.ownPathOf(digest) === null }
  return { sha256: digest, held, fetch }
}

/** @param firstBlock of the release, that is the one after the release before. */
export function whyRelease(
  { fetches, fetchHistory }: Session,
  channel: Channel,
  release: { readonly number: number; readonly block: number },
  firstBlock: number,
): ReleaseWhy {
  const isOfIt = ({ wanted }: { readonly wanted: FactOf<'artifact.wanted'> }): boolean =>
    wanted.key === channel.key && wanted.block >= firstBlock && wanted.block <= release.block
  const ended = [...fetchHistory.ended].filter(isOfIt).map(viewOfEnded)
  const views = [...ended, ...[...fetches.running].filter(isOfIt).map(viewOfRunning)]
  const count = (state: FetchView['state']): number => views.filter((view) => view.state === state).length
  const ends = ended.flatMap(({ endedAt }) => endedAt ?? []).toSorted()
  return {
    channel: channel.name,
    release: release.number,
    fetches: { fetching: count('fetching'), kept: count('kept'), unavailable: count('unavailable') },
    bytes: sumOf(views.map(({ bytes }) => bytes)),
    sources: mergedSources(views.flatMap(({ sources }) => sources)),
    wantedAt: views.map(({ wantedAt }) => wantedAt).toSorted()[0] ?? null,
    endedAt: ends.at(-1) ?? null,
    slowest: ended
      .filter(({ state }) => state === 'kept')
      .toSorted((a, b) => tookMs(b) - tookMs(a))
      .slice(0, WHY_FETCHES_MAX),
    failed: ended.filter(({ state }) => state === 'unavailable').slice(-WHY_FETCHES_MAX),
  }
}

function viewOfRunning({ wanted, tally }: RunningFetch): FetchView {
  return viewOf(wanted, 'fetching', null, null, tally.report())
}

function viewOfEnded({ wanted, end }: EndedFetch): FetchView {
  const isKept = end.type === 'artifact.kept'
  return viewOf(wanted, isKept ? 'kept' : 'unavailable', isKept ? null : end.code, end.atMs, end.report)
}

function viewOf(
  { digest, byteLength, path, atMs }: FactOf<'artifact.wanted'>,
  state: FetchView['state'],
  code: string | null,
  endedAtMs: number | null,
  report: FetchReport | null,
): FetchView {
  const { heldBytes = 0, sources = [], ...waits } = report ?? {}
  return {
    sha256: digest,
    size: byteLength,
    path,
    state,
    code,
    wantedAt: timeOf(atMs),
    endedAt: endedAtMs === null ? null : timeOf(endedAtMs),
    bytes: sumOf([
      { ...NOTHING, here: heldBytes },
      ...sources.map(({ kind, bytes }) => ({ ...NOTHING, [kind]: bytes })),
    ]),
    waits: report === null ? null : (waits as FetchView['waits']),
    sources,
  }
}

const NOTHING: BytesBySource = { here: 0, lan: 0, peer: 0, mirror: 0 }

function sumOf(parts: readonly BytesBySource[]): BytesBySource {
  const sum = (name: keyof BytesBySource): number => parts.reduce((total, part) => total + part[name], 0)
  return { here: sum('here'), lan: sum('lan'), peer: sum('peer'), mirror: sum('mirror') }
}

function tookMs({ wantedAt, endedAt }: FetchView): number {
  return endedAt === null ? 0 : Date.parse(endedAt) - Date.parse(wantedAt)
}

function timeOf(atMs: number): string {
  return new Date(atMs).toISOString()
}
