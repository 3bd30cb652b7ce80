/**
 * Peers that were dropped for cause: kept away for a time that doubles with every drop.
 *
 * Hyperswarm's own ban keeps it from dialling and turns incoming handshakes away early, but lasts for the life of the process;
 * here it is lifted again. The number remembered is bounded, so a flood of keys only shortens the memory.
 */
import type Hyperswarm from 'hyperswarm'
import { DROP_BACKOFF_MS_MAX, DROP_BACKOFF_MS_MIN, DROPPED_PEERS_MAX } from '../schemas/limits.ts'
import type { KeyHex } from '../schemas/units.ts'

interface Drop {
  readonly untilMs: number
  readonly backoffMs: number
  readonly timer: NodeJS.Timeout
}

export class DroppedPeers {
  readonly #swarm: Pick<Hyperswarm, 'peers'>
  readonly #now: () => number
  /** In the order of the latest drop. */
  readonly #drops = new Map<KeyHex, Drop>()

  constructor(swarm: Pick<Hyperswarm, 'peers'>, now: () => number = () => performance.now()) {
    this.#swarm = swarm
    this.#now = now
  }

  add(peer: KeyHex): void {
    const earlier = this.#drops.get(peer)
    if (earlier !== undefined) this.#forget(peer, earlier)
    const [oldest] = this.#drops
    if (oldest !== undefined && this.#drops.size >= DROPPED_PEERS_MAX) this.#forget(...oldest)
    const backoffMs = Math.min((earlier?.backoffMs ?? DROP_BACKOFF_MS_MIN / 2) * 2, DROP_BACKOFF_MS_MAX)
    const timer = setTimeout(() => this.#lift(peer), backoffMs)
    timer.unref()
    this.#drops.set(peer, { untilMs: this.#now() + backoffMs, backoffMs, timer })
    this.#swarm.peers.get(peer)?.ban(true)
  }

  has(peer: KeyHex): boolean {
    const drop = this.#drops.get(peer)
    return drop !== undefined && this.#now() < drop.untilMs
  }

  clear(): void {
    for (const [peer, drop] of [...this.#drops]) this.#forget(peer, drop)
  }

  #forget(peer: KeyHex, { timer }: Drop): void {
    clearTimeout(timer)
    this.#drops.delete(peer)
    this.#lift(peer)
  }

  /** Hyperswarm forgets a peer when its connection closes, but not one that was banned then. */
  #lift(peer: KeyHex): void {
    const info = this.#swarm.peers.get(peer)
    info?.ban(false)
    if (info?.shouldGC() === true) this.#swarm.peers.delete(peer)
  }
}
