/**
 * One peer as actors/ports/sharing.ts sees it: whether it is given anything, and the waits and counts of bytes both ways.
 *
 * Stands between the piece channel of a connection and the rate limits that all connections share. Waits end with the connection.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { SendingGate } from '../../protocols/piece-server.ts'
import type { PieceChannel } from '../../protocols/pieces.ts'
import type { RateLimit } from '../../protocols/rate-limit.ts'
import { RATE_WAIT_MS_MAX } from '../../schemas/limits.ts'
import type { Sharing } from './sharing.ts'

export class PeerGate implements SendingGate {
  readonly #sharing: Sharing
  /** Asked each time: a connection may move to another address of the peer. */
  readonly #host: () => string | null
  readonly #closed = new AbortController()

  constructor(sharing: Sharing, host: () => string | null) {
    this.#sharing = sharing
    this.#host = host
  }

  maySend(): boolean {
    return this.#sharing.maySend(this.#host())
  }

  async sending(byteLength: number): Promise<void> {
    const goes = await turn(this.#sharing.upload, byteLength, this.#closed.signal)
    if (goes) this.#sharing.count(this.#host(), byteLength, 0)
  }

  /** `channel`, asked no faster than the limit allows. */
  asking(channel: PieceChannel): PieceChannel {
    return {
      remoteKey: channel.remoteKey,
      get closed() {
        return channel.closed
      },
      givesLayers: channel.givesLayers,
      ask: async (digest, pieceIndex, byteLength, signal) => {
        const ended = this.#closed.signal
        await turn(this.#sharing.download, byteLength, signal === undefined ? ended : AbortSignal.any([signal, ended]))
        const bytes = await channel.ask(digest, pieceIndex, byteLength, signal)
        this.#sharing.count(this.#host(), 0, bytes.byteLength)
        return bytes
      },
      askLayer: (...ask) => channel.askLayer(...ask),
      close: () => channel.close(),
    }
  }

  close(): void {
    this.#closed.abort()
  }
}

/** Takes `byteLength` out of the limit when it holds as much. @returns false when `signal` aborted first: nothing is taken then. */
async function turn(limit: RateLimit, byteLength: number, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    const delayMs = limit.delayMs(byteLength, performance.now())
    if (delayMs === 0) {
      limit.spend(byteLength, performance.now())
      return true
    }
    const waitMs = Math.min(delayMs, RATE_WAIT_MS_MAX)
    await pause(waitMs, undefined, { signal }).catch(() => {}) // aborted: the loop sees it
  }
  return false
}
