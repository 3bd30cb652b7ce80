/** The peers that can be asked for pieces at this moment, by key. Whoever owns a connection adds and removes its channel. */
import type { KeyHex } from '../schemas/units.ts'
import type { PieceChannel } from './pieces.ts'

export class PeerSet {
  readonly #channels = new Map<KeyHex, PieceChannel>()
  readonly #listeners = new Set<() => void>()

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
    return this.#channels.get(remoteKey) ?? null
  }

  get size(): number {
    return this.#channels.size
  }

  [Symbol.iterator](): IterableIterator<PieceChannel> {
    return this.#channels.values()
  }

  /** Calls `listener` after every change. @returns what ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}
