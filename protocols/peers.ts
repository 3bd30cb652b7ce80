/** The peers that can be asked for pieces at this moment, by key. Whoever owns a connection adds and removes its channel. */
import type { KeyHex } from '../schemas/units.ts'
import type { PieceChannel } from './pieces.ts'

export class PeerSet {
  readonly #base: PeerSet | null
  readonly #channels = new Map<KeyHex, PieceChannel>()
  readonly #listeners = new Set<() => void>()

  /** @param base whose peers are part of this set, too: for sources that only one transfer has. */
  constructor(base: PeerSet | null = null) {
    this.#base = base
  }

  /** Replaces an older channel of the same peer: its connection is the one that is going away. */
  add(channel: PieceChannel): void {
    this.#channels.set(channel.remoteKey, channel)
    this.#changed()
  }

  /** Does nothing when another connection of the peer has taken the place of `channel`. */
  remove(channel: PieceChannel): void {
    if (this.#channels.get(channel.remoteKey) !== channel) return
    this.#channels.delete(channel.remoteKey)
    this.#changed()
  }

  get(remoteKey: KeyHex): PieceChannel | null {
    return this.#channels.get(remoteKey) ?? this.#base?.get(remoteKey) ?? null
  }

  get size(): number {
    return this.#channels.size + (this.#base?.size ?? 0)
  }

  *[Symbol.iterator](): IterableIterator<PieceChannel> {
    if (this.#base !== null) yield* this.#base
    yield* this.#channels.values()
  }

  /** Calls `listener` after every change. @returns what ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    const stop = this.#base?.onChange(listener)
    return () => {
      this.#listeners.delete(listener)
      stop?.()
    }
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}
