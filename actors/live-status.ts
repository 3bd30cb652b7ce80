/** What `freshet status --watch` shows, again and again: channels, peers, fetches and rates. A view of a session and of the look before. */
import { SOURCE_KINDS, type SourceKind } from '../schemas/fetch-report.ts'
import { WATCH_FETCHES_MAX } from '../schemas/limits.ts'
import type { DigestHex } from '../schemas/units.ts'
import type { RunningFetch } from './ports/fetches.ts'
import type { Traffic } from './ports/sharing.ts'
import type { Session } from './session.ts'
import { channelsOf, type ChannelStatus } from './status.ts'

export interface LiveFetch {
  readonly sha256: DigestHex
  /** In the repository; null: not known. */
  readonly path: string | null
  readonly size: number
  /** That are here. */
  readonly bytes: number
  readonly bytesPerSecond: number
  readonly state: 'waiting' | 'fetching'
}

/** Bytes of files a second. */
export interface LiveRate {
  readonly up: number
  readonly down: number
}

export interface LiveStatus {
  readonly channels: readonly Pick<
    ChannelStatus,
    'name' | 'id' | 'release' | 'behind' | 'state' | 'peers' | 'trouble'
  >[]
  readonly peers: number
  /** Of them those of the local network. */
  readonly lanPeers: number
  readonly tcpPeers: number
  /** All of them; `fetches` has the first few, those that go on before those that wait. */
  readonly fetching: number
  readonly fetches: readonly LiveFetch[]
  readonly rates: Readonly<Record<SourceKind, LiveRate>>
}

export class LiveView {
  #atMs = Number.NaN
  #traffic: Traffic | null = null
  /** Bytes of each fetch that was shown. */
  #bytes = new Map<DigestHex, number>()

  /** @param atMs of a clock that does not go back. Rates are those since the last look. */
  look(session: Session, nowMs: number, atMs: number): LiveStatus {
    const seconds = (atMs - this.#atMs) / 1000
    const perSecond = (bytes: number): number => (seconds > 0 ? Math.round(Math.max(bytes, 0) / seconds) : 0)
    const { traffic } = session.sharing
    const fetches = shown(session.fetches.running).map((fetch) => this.#fetch(fetch, perSecond))
    const status: LiveStatus = {
      channels: channelsOf(session, nowMs).map(({ name, id, release, behind, state, peers, trouble }) => {
        return { name, id, release, behind, state, peers, trouble }
      }),
      peers: session.network?.peerCount ?? 0,
      lanPeers: session.network?.lanPeerCount ?? 0,
      tcpPeers: session.network?.tcpPeerCount ?? 0,
      fetching: session.fetches.count,
      fetches,
      rates: ratesBetween(this.#traffic ?? traffic, traffic, perSecond),
    }
    this.#atMs = atMs
    this.#traffic = traffic
    this.#bytes = new Map(fetches.map(({ sha256, bytes }) => [sha256, bytes]))
    return status
  }

  #fetch({ wanted, tally }: RunningFetch, perSecond: (bytes: number) => number): LiveFetch {
    const { digest, path, byteLength } = wanted
    const bytes = Math.min(tally.bytes, byteLength)
    return {
      sha256: digest,
      path,
      size: byteLength,
      bytes,
      bytesPerSecond: perSecond(bytes - (this.#bytes.get(digest) ?? bytes)),
      state: tally.isBegun ? 'fetching' : 'waiting',
    }
  }
}

/** They begin in the order in which they were asked for, so those that go on are found without looking at all that wait. */
function shown(running: Iterable<RunningFetch>): RunningFetch[] {
  const some: RunningFetch[] = []
  for (const fetch of running) {
    some.push(fetch)
    if (some.length >= WATCH_FETCHES_MAX) break
  }
  return some
}

function ratesBetween(before: Traffic, after: Traffic, perSecond: (bytes: number) => number): LiveStatus['rates'] {
  const rateOf = (kind: SourceKind): LiveRate => ({
    up: perSecond(after[kind].sentBytes - before[kind].sentBytes),
    down: perSecond(after[kind].fetchedBytes - before[kind].fetchedBytes),
  })
  return Object.fromEntries(SOURCE_KINDS.map((kind) => [kind, rateOf(kind)])) as LiveStatus['rates']
}
