/**
 * Keeps one silent peer from freezing the updates of a log.
 *
 * Hypercore has one upgrade request in flight and no timeout on it, so a peer that announces a longer log and says nothing
 * holds everybody up for as long as it stays. Owns: repeating such a request to the next peer that announced more, a few
 * times a second, and dropping peers that let it lie. What another peer answered is cancelled at once, so that a late answer
 * costs no verification and the slow peer can be asked for something else.
 * Source: hypercore 11.37 lib/replicator.js (_shouldUpgrade, _requestUpgrade, _cancelRequest).
 */
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import { FreshetError } from '../schemas/errors.ts'
import {
  DROPPED_PEERS_MAX,
  UPGRADE_HEDGE_MS,
  UPGRADE_HEDGE_STEP_MS,
  UPGRADE_MISSES_MAX,
  UPGRADE_STALL_MS,
  UPGRADE_STALL_MS_MAX,
} from '../schemas/limits.ts'
import { keyHex, type KeyHex } from '../schemas/units.ts'

/** The private parts of Hypercore's replication that are used here (the version is pinned). */
interface UpgradeRequest {
  readonly peer: WatchedPeer
  readonly priority: number
}
interface Upgrade {
  readonly inflight: UpgradeRequest[]
}
interface WatchedPeer {
  readonly stream: NoiseSecretStream
  readonly remotePublicKey: Buffer
  readonly remoteLength: number
  readonly removed: boolean
  readonly replicator: WatchedReplicator
  isActive(): boolean
  _requestUpgrade(upgrade: Upgrade): boolean
  _cancelRequest(request: UpgradeRequest): void
}
interface WatchedReplicator {
  readonly peers: readonly WatchedPeer[]
  readonly _upgrade: Upgrade | null
  _clearRequest(peer: WatchedPeer, request: UpgradeRequest): void
  queueUpdateAll(): void
}
/** Priority of a request that was answered or cancelled. */
const PRIORITY_DONE = 255

/** A Hypercore session, once ready. */
export interface WatchedCore {
  readonly length: number
  readonly core: unknown
  on(event: 'append', listener: () => void): unknown
  off(event: 'append', listener: () => void): unknown
}

export interface WatchdogOptions {
  /** The peer announced a longer log and did not deliver it. Close the stream; nothing else is known against the peer. */
  readonly drop: (stream: NoiseSecretStream, error: FreshetError) => void
  readonly now?: () => number
  /** Instead of UPGRADE_STALL_MS. */
  readonly stallMs?: number
}

interface Waiting {
  readonly peer: WatchedPeer
  readonly askedAtMs: number
}

export class UpgradeWatchdog {
  readonly #core: WatchedCore
  readonly #options: WatchdogOptions
  readonly #now: () => number
  readonly #waiting = new Map<UpgradeRequest, Waiting>()
  /** How long a peer is waited for, when it was dropped before: a slow link must not be cut for ever. */
  readonly #patienceMs = new Map<KeyHex, number>()
  readonly #timer: NodeJS.Timeout
  readonly #onAppend = (): void => this.#settle()
  /** Upgrades in a row that somebody else had to deliver in a peer's place. */
  readonly #misses = new WeakMap<WatchedPeer, number>()
  #lastAskedAtMs = 0

  constructor(core: WatchedCore, options: WatchdogOptions) {
    this.#core = core
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    core.on('append', this.#onAppend)
    this.#timer = setInterval(() => this.check(), UPGRADE_HEDGE_STEP_MS)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#core.off('append', this.#onAppend)
    this.#waiting.clear()
  }

  /** What the timer does. */
  check(): void {
    const replicator = (this.#core.core as { replicator: WatchedReplicator } | null)?.replicator
    if (replicator === undefined) return
    const nowMs = this.#now()
    const [current] = replicator._upgrade?.inflight ?? []
    if (current !== undefined && !this.#waiting.has(current)) this.#note(current, nowMs)
    for (const [request, { peer }] of this.#waiting) if (peer.removed) this.#waiting.delete(request)
    if (replicator._upgrade === null) this.#settle()
    else if (current !== undefined) this.#repeat(replicator, replicator._upgrade, current, nowMs)
    this.#dropStalled(nowMs)
  }

  #note(request: UpgradeRequest, nowMs: number): void {
    this.#waiting.set(request, { peer: request.peer, askedAtMs: nowMs })
    this.#lastAskedAtMs = nowMs
  }

  /** Asks one more peer; the request before stays in place and its answer counts if it comes first. */
  #repeat(replicator: WatchedReplicator, upgrade: Upgrade, current: UpgradeRequest, nowMs: number): void {
    const waitMs = this.#waiting.size > 1 ? UPGRADE_HEDGE_STEP_MS : UPGRADE_HEDGE_MS
    if (nowMs - this.#lastAskedAtMs < waitMs) return
    const asked = new Set([...this.#waiting.values()].map(({ peer }) => peer))
    upgrade.inflight.length = 0 // Hypercore asks nobody while this says that somebody is
    for (const peer of replicator.peers) {
      if (asked.has(peer) || peer.remoteLength <= this.#core.length || !peer.isActive()) continue
      if (!peer._requestUpgrade(upgrade)) continue
      for (const request of upgrade.inflight) this.#note(request, nowMs)
      return
    }
    upgrade.inflight.push(current)
  }

  /** The log grew: what still lies with others is void. */
  #settle(): void {
    const nowMs = this.#now()
    for (const [request, { peer, askedAtMs }] of this.#waiting) {
      this.#waiting.delete(request)
      if (peer.removed) continue
      if (request.priority === PRIORITY_DONE) {
        this.#misses.delete(peer)
        continue
      }
      peer._cancelRequest(request)
      peer.replicator._clearRequest(peer, request) // a block it also asked for goes back into the queue
      peer.replicator.queueUpdateAll()
      if (nowMs - askedAtMs >= UPGRADE_HEDGE_MS) this.#missed(peer)
    }
  }

  #missed(peer: WatchedPeer): void {
    const misses = (this.#misses.get(peer) ?? 0) + 1
    this.#misses.set(peer, misses)
    if (misses >= UPGRADE_MISSES_MAX) this.#drop(peer, `left ${misses} upgrades in a row to others`)
  }

  #dropStalled(nowMs: number): void {
    for (const [request, { peer, askedAtMs }] of this.#waiting) {
      const key = keyHex(peer.remotePublicKey)
      const stallMs = this.#patienceMs.get(key) ?? this.#options.stallMs ?? UPGRADE_STALL_MS
      if (nowMs - askedAtMs < stallMs) continue
      this.#waiting.delete(request)
      this.#rememberSlow(key, stallMs)
      this.#drop(peer, `announced ${peer.remoteLength} blocks and did not deliver them in ${stallMs} ms`)
    }
  }

  #drop(peer: WatchedPeer, message: string): void {
    this.#options.drop(peer.stream, new FreshetError('PEER_SLOW', message, { remoteLength: peer.remoteLength }))
  }

  #rememberSlow(key: KeyHex, stallMs: number): void {
    this.#patienceMs.delete(key)
    const [oldest] = this.#patienceMs.keys()
    if (oldest !== undefined && this.#patienceMs.size >= DROPPED_PEERS_MAX) this.#patienceMs.delete(oldest)
    this.#patienceMs.set(key, Math.min(stallMs * 2, UPGRADE_STALL_MS_MAX))
  }
}

/** Watches a follower's core until `stop`. */
export function watchUpgrades(core: WatchedCore, options: WatchdogOptions): UpgradeWatchdog {
  return new UpgradeWatchdog(core, options)
}
