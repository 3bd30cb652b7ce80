/** What `freshet status` tells: a view of a session, nothing of its own. */
import { percentOf } from '../schemas/rollout.ts'
import type { Rollouts } from '../schemas/rollout.ts'
import type { Channel, ChannelRole } from './channel.ts'
import { frozenSince } from './frozen-since.ts'
import type { SharingStatus, Traffic } from './ports/sharing.ts'
import type { Session } from './session.ts'

export interface ChannelStatus {
  readonly name: string
  readonly id: string
  readonly role: ChannelRole
  /** Number of the release that is served, or, of an upstream, of the newest one that its forks can stand on; 0: none yet. */
  readonly release: number
  readonly publishedAt: string | null
  readonly packages: number
  /** Releases that are known and not served yet; at least 1 while a newer head is being read. */
  readonly behind: number
  /** The served release's Valid-Until has passed. */
  readonly frozen: boolean
  /** That Valid-Until; null while the release is good. */
  readonly frozenSince: string | null
  readonly peers: number
  /** State of the channel's actor: current, preparing, refused, stopped. */
  readonly state: string
  /** Code of the newest trouble; null when all is well. */
  readonly trouble: string | null
  /** Releases that not everybody is offered, from the served one on: those before it concern nobody here. */
  readonly rollouts: readonly RolloutStatus[]
  /** File that shows why the channel is stopped, for `freshet audit --evidence`. */
  readonly evidence: string | null
}

export interface RolloutStatus {
  readonly release: number
  /** Percent of the followers. */
  readonly share: number
  /** Why it is halted; null: it is not. */
  readonly halted: string | null
  /** Whether this node has it, or takes it. */
  readonly taken: boolean
}

export interface MirrorStatus {
  readonly url: string
  /** Averages of what it gave since the daemon started; null: nothing yet. */
  readonly bytesPerSecond: number | null
  readonly firstByteMs: number | null
  /** In a row. */
  readonly failures: number
  /** Code of its newest failure; null when all is well. */
  readonly trouble: string | null
  /** It is left alone until then. */
  readonly pausedUntil: string | null
  /** SHA-256 of files that it gave in other bytes than were signed. */
  readonly wrong: readonly string[]
}

export interface NodeStatus {
  readonly channels: readonly ChannelStatus[]
  readonly peers: number
  /** Of them those of the local network. */
  readonly lanPeers: number
  /** Of them those that files go to and come from over TCP. */
  readonly tcpPeers: number
  readonly gateway: string | null
  readonly pool: { readonly artifacts: number; readonly bytes: number; readonly partial: number }
  readonly fetching: number
  /** What is given and fetched at the moment, and why not more. */
  readonly sharing: SharingStatus
  /** Bytes of files since the store was opened. */
  readonly traffic: Traffic
  /** HTTP mirrors of all channels. */
  readonly mirrors: readonly MirrorStatus[]
}

export function channelsOf(session: Session, nowMs: number): ChannelStatus[] {
  return session.channels.map((channel): ChannelStatus => {
    const { value, context } = session.state(channel)
    const state = typeof value === 'string' ? value : value.following
    const release = channel.current?.release ?? null
    const frozenSinceMs = frozenSince(release, nowMs)
    return {
      name: channel.name,
      id: channel.log.id,
      role: channel.role,
      release: release?.number ?? (channel.role === 'upstream' ? (channel.history.newest?.number ?? 0) : 0),
      publishedAt: release === null ? null : new Date(release.publishedAtMs).toISOString(),
      packages: channel.current?.packageCount ?? 0,
      behind: Math.max(channel.behind, context.headLength > context.readyLength ? 1 : 0),
      frozen: frozenSinceMs !== null,
      frozenSince: frozenSinceMs === null ? null : new Date(frozenSinceMs).toISOString(),
      peers: session.network?.peersOf(channel) ?? 0,
      state,
      trouble: session.troubles.get(channel.key)?.code ?? (context.code === '' ? null : context.code),
      rollouts: rolloutsOf(channel, channel.rollouts.known).filter(
        (rollout) => rollout.release >= (release?.number ?? 0),
      ),
      evidence: session.evidence.of(channel.key)[0]?.path ?? null,
    }
  })
}

export function rolloutsOf({ current, rollouts }: Channel, known: Rollouts): RolloutStatus[] {
  return [...known.values()].map((state) => {
    const { number: release, share, halted } = state
    const isServed = release === current?.release.number
    return { release, share: percentOf(share), halted, taken: isServed || rollouts.takes(state) }
  })
}

export function statusOf(session: Session, gateway: string | null, nowMs: number): NodeStatus {
  return {
    channels: channelsOf(session, nowMs),
    peers: session.network?.peerCount ?? 0,
    lanPeers: session.network?.lanPeerCount ?? 0,
    tcpPeers: session.network?.tcpPeerCount ?? 0,
    gateway,
    pool: session.pool.status(),
    fetching: session.fetches.count,
    sharing: session.sharing.status,
    traffic: session.sharing.traffic,
    mirrors: mirrorsOf(session, nowMs),
  }
}

function mirrorsOf(session: Session, nowMs: number): MirrorStatus[] {
  const urls = new Set(session.channels.flatMap(({ key }) => session.mirrorsOf(key)))
  return [...urls].map((url) => {
    const { bytesPerSecond, firstByteMs, failures, trouble, pausedUntilMs, wrong } = session.mirrors.scores.of(url)
    const pausedUntil = pausedUntilMs > nowMs ? new Date(pausedUntilMs).toISOString() : null
    const [rate, latency] = [bytesPerSecond, firstByteMs].map((value) => (value === null ? null : Math.round(value)))
    return { url, bytesPerSecond: rate ?? null, firstByteMs: latency ?? null, failures, trouble, pausedUntil, wrong }
  })
}
