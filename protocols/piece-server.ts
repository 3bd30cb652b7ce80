/**
 * Answers one peer's asks for pieces, one after the other.
 *
 * Owns: the queue of asks (bounded), and that no more than PIECE_QUEUE_BYTES_MAX of piece bytes wait in the connection, so
 * that a control message is never behind more than that. Between connections the event loop is the fair queue: each has one
 * read under way at a time.
 */
import { pieceByteLength, pieceCount } from '../schemas/artifact.ts'
import { FreshetError } from '../schemas/errors.ts'
import {
  ASKS_PER_PEER_MAX,
  LAYER_HASHES_MAX,
  PIECE_BYTES,
  PIECE_PART_BYTES_MAX,
  PIECE_QUEUE_BYTES_MAX,
} from '../schemas/limits.ts'
import { digestHex, type DigestHex } from '../schemas/units.ts'
import type { Ask, AskLayer, Data, Layer, Refusal } from './piece-frames.ts'

const HASH_BYTES = 32

/** What is held here; store/pool.ts is one. */
export interface PieceSource {
  held(digest: DigestHex): { readonly byteLength: number } | null
  /** 32 bytes per piece; null when there is a single piece or nothing is known. */
  layer(digest: DigestHex): Promise<Buffer | null>
  read(digest: DigestHex, byteOffset: number, byteLength: number): Promise<Buffer>
}

/** The sending side of the channel. */
export interface PieceSender {
  data(body: Data): boolean
  layer(body: Layer): boolean
  refuse(body: { readonly requestId: number; readonly reason: Refusal }): boolean
  /** Resolves when no more than so many bytes wait to be sent; false once closed. */
  room(byteLengthMax: number): Promise<boolean>
}

/** Whether and how fast the peer is given anything; who pays for the link decides. */
export interface SendingGate {
  /** Asked anew for every answer; false: as if nothing were held. */
  maySend(): boolean
  /** Resolves when so many bytes may go; they are taken to go then. */
  sending(byteLength: number): Promise<void>
}

const OPEN_GATE: SendingGate = { maySend: () => true, sending: async () => {} }

type Job = { readonly kind: 'piece'; readonly ask: Ask } | { readonly kind: 'layer'; readonly ask: AskLayer }

export class PieceServer {
  readonly #source: PieceSource
  readonly #sender: PieceSender
  readonly #gate: SendingGate
  /** By request id, in the order of arrival; the first is being answered. */
  readonly #jobs = new Map<number, Job>()
  #answering = false
  #closed = false

  constructor(source: PieceSource, sender: PieceSender, gate: SendingGate = OPEN_GATE) {
    this.#source = source
    this.#sender = sender
    this.#gate = gate
  }

  ask(ask: Ask): void {
    this.#add({ kind: 'piece', ask })
  }

  askLayer(ask: AskLayer): void {
    if (ask.count === 0 || ask.count > LAYER_HASHES_MAX) {
      throw new FreshetError('MESSAGE_MALFORMED', `${ask.count} piece hashes asked for at once`, { count: ask.count })
    }
    this.#add({ kind: 'layer', ask })
  }

  /** An id that is not waiting was answered already: the two crossed. */
  cancel(requestId: number): void {
    if (this.#jobs.delete(requestId)) this.#sender.refuse({ requestId, reason: 'cancelled' })
  }

  close(): void {
    this.#closed = true
    this.#jobs.clear()
  }

  #add(job: Job): void {
    const { requestId } = job.ask
    if (this.#jobs.has(requestId)) {
      throw new FreshetError('MESSAGE_MALFORMED', `request ${requestId} is under way already`, { requestId })
    }
    if (this.#jobs.size >= ASKS_PER_PEER_MAX) {
      this.#sender.refuse({ requestId, reason: 'busy' })
      return
    }
    this.#jobs.set(requestId, job)
    if (!this.#answering) void this.#answer() // never rejects
  }

  async #answer(): Promise<void> {
    this.#answering = true
    while (!this.#closed) {
      const [job] = this.#jobs.values()
      if (job === undefined) break
      let refusal: Refusal | null
      try {
        refusal = await this.#send(job)
      } catch {
        refusal = 'failed' // the source reports its own errors; the peer needs to know only that nothing comes
      }
      const stillWanted = this.#jobs.get(job.ask.requestId) === job && this.#jobs.delete(job.ask.requestId)
      if (refusal !== null && stillWanted) this.#sender.refuse({ requestId: job.ask.requestId, reason: refusal })
    }
    this.#answering = false
  }

  async #send(job: Job): Promise<Refusal | null> {
    if (!this.#gate.maySend()) return 'absent'
    return job.kind === 'piece' ? this.#sendPiece(job) : this.#sendLayer(job)
  }

  async #sendPiece(job: Job & { kind: 'piece' }): Promise<Refusal | null> {
    const { requestId, piece } = job.ask
    const digest = digestHex(job.ask.digest)
    const held = this.#source.held(digest)
    if (held === null || piece >= pieceCount(held.byteLength)) return 'absent'
    const byteLength = pieceByteLength(held.byteLength, piece)
    // Read at once: a source checks whole pieces, so each part read by itself would cost the whole piece again.
    const bytes = await this.#source.read(digest, piece * PIECE_BYTES, byteLength)
    if (bytes.byteLength !== byteLength) return 'failed'
    for (let byteOffset = 0; byteOffset < byteLength; byteOffset += PIECE_PART_BYTES_MAX) {
      const part = bytes.subarray(byteOffset, byteOffset + PIECE_PART_BYTES_MAX)
      await this.#gate.sending(part.byteLength)
      if (!(await this.#sender.room(PIECE_QUEUE_BYTES_MAX - part.byteLength))) return null
      if (this.#jobs.get(requestId) !== job) return null // cancelled meanwhile
      this.#sender.data({ requestId, byteOffset, bytes: part })
    }
    return null
  }

  async #sendLayer(job: Job & { kind: 'layer' }): Promise<Refusal | null> {
    const { requestId, digest, first, count } = job.ask
    const hashes = await this.#source.layer(digestHex(digest))
    if (hashes === null || (first + count) * HASH_BYTES > hashes.byteLength) return 'absent'
    const bytes = hashes.subarray(first * HASH_BYTES, (first + count) * HASH_BYTES)
    if (!(await this.#sender.room(PIECE_QUEUE_BYTES_MAX - bytes.byteLength))) return null
    if (this.#jobs.get(requestId) === job) this.#sender.layer({ requestId, bytes })
    return null
  }
}
