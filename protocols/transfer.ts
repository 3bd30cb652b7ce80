/**
 * Downloads one artifact from all peers that have it.
 *
 * Owns: whom to ask for what, and who is not asked again for this artifact because it failed, was slow, or lied. Checking is
 * the sink's. Without piece hashes nothing tells which piece of a wrong file was wrong, so all pieces then come from one peer
 * at a time, and a mismatch of the whole file names it.
 * Ends when the sink has verified and kept the file, when `signal` aborts, or when there was no usable peer for a while.
 */
import { pieceByteLength, type Artifact } from '../schemas/artifact.ts'
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import {
  PEER_BUSY_MS,
  PIECE_HEDGE_MS,
  PIECES_IN_FLIGHT_MAX,
  PIECES_IN_FLIGHT_PER_PEER,
  TRANSFER_PEERS_MS,
  TRANSFER_TICK_MS,
} from '../schemas/limits.ts'
import type { KeyHex } from '../schemas/units.ts'
import { choosePiece, type PieceAsk } from './choose-piece.ts'
import type { PeerSet } from './peers.ts'
import type { PieceChannel } from './pieces.ts'

/** Where pieces go; store/partial-artifact.ts is one. */
export interface PieceSink {
  readonly artifact: Artifact
  readonly pieces: number
  has(index: number): boolean
  /** Whether a piece can be checked by itself: its hash is known, or it is the whole file. */
  readonly hasLayer: boolean
  /** Compared with the signed root; false when it does not match. */
  acceptLayer(layer: Buffer): Promise<boolean>
  /** False when `bytes` differ from their hash, which needs a layer. */
  write(index: number, bytes: Buffer): Promise<boolean>
  /** Checks and keeps the whole file. False when it differs from its digest; all pieces are dropped then. */
  complete(): Promise<boolean>
}

export interface TransferOptions {
  readonly signal: AbortSignal
  /** The piece a reader waits for, asked anew for every choice. */
  readonly priority?: () => number
  /** A peer will not be asked for this artifact again, and why. */
  readonly onShun: (peer: KeyHex, error: FreshetError) => void
  /** A piece was taken. */
  readonly onPiece?: () => void
  /** Instead of TRANSFER_PEERS_MS. */
  readonly peersMs?: number
  readonly now?: () => number
}

/** @throws FreshetError ARTIFACT_UNAVAILABLE, ARTIFACT_MISMATCH, INTERRUPTED, or what the sink threw. */
export function transfer(sink: PieceSink, peers: PeerSet, options: TransferOptions): Promise<void> {
  return new Transfer(sink, peers, options).run()
}

interface Ask extends PieceAsk {
  readonly controller: AbortController
}

class Transfer {
  readonly #sink: PieceSink
  readonly #peers: PeerSet
  readonly #options: TransferOptions
  readonly #now: () => number
  readonly #asked = new Map<number, Ask[]>()
  readonly #layerAsks = new Map<KeyHex, Ask>()
  readonly #shunned = new Set<KeyHex>()
  readonly #busyUntilMs = new Map<KeyHex, number>()
  /** Who sent the pieces of this attempt, when they cannot be checked one by one. */
  readonly #senders = new Set<KeyHex | 'earlier'>()
  #sole: KeyHex | null = null
  /** Every piece below this one is held. */
  #lowest = 0
  #writing = 0
  #completing = false
  #ended = false
  #aloneSinceMs: number | null = null
  #settle: { resolve(): void; reject(error: FreshetError): void } | null = null

  constructor(sink: PieceSink, peers: PeerSet, options: TransferOptions) {
    this.#sink = sink
    this.#peers = peers
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    for (let piece = 0; piece < sink.pieces; piece++) if (sink.has(piece)) this.#senders.add('earlier')
  }

  run(): Promise<void> {
    const { signal } = this.#options
    if (signal.aborted) return Promise.reject(interrupted(signal))
    return new Promise((resolve, reject) => {
      const stopListening = this.#peers.onChange(() => this.#pump())
      const tick = setInterval(() => this.#pump(), TRANSFER_TICK_MS)
      const onAbort = (): void => this.#end(interrupted(signal))
      signal.addEventListener('abort', onAbort, { once: true })
      const release = (): void => {
        stopListening()
        clearInterval(tick)
        signal.removeEventListener('abort', onAbort)
      }
      this.#settle = {
        resolve: () => (release(), resolve()),
        reject: (error) => (release(), reject(error)),
      }
      this.#pump()
    })
  }

  /** Does whatever can be done now. Called after every change of anything. */
  #pump(): void {
    if (this.#ended || this.#completing) return
    if (this.#allHeld()) {
      if (this.#writing === 0) void this.#complete() // ends the transfer whatever happens
      return
    }
    const awaitsLayer = !this.#sink.hasLayer && this.#sink.artifact.piecesRoot !== null
    if (awaitsLayer) this.#askForLayer()
    if (this.#sink.hasLayer) this.#askForPieces([...this.#usable()])
    else this.#askSolePeer(awaitsLayer)
    this.#watchAlone()
  }

  #askForLayer(): void {
    const asks = [...this.#layerAsks.values()]
    const newestMs = Math.max(...asks.map((ask) => ask.askedAtMs), Number.NEGATIVE_INFINITY)
    if (this.#now() - newestMs < PIECE_HEDGE_MS) return
    for (const channel of this.#usable()) {
      if (!channel.givesLayers || this.#layerAsks.has(channel.remoteKey)) continue
      void this.#fetchLayer(channel) // reports to #failed
      return
    }
  }

  /** @param awaitsLayer peers are to give the hashes first; who has none gives the file meanwhile, to be checked as a whole. */
  #askSolePeer(awaitsLayer: boolean): void {
    let sole = this.#sole === null ? null : this.#peers.get(this.#sole)
    if (sole === null || !this.#isUsable(sole)) {
      if (this.#asked.size > 0) return // of the peer before; they fail or arrive first
      sole = [...this.#usable()].find(({ givesLayers }) => !(awaitsLayer && givesLayers)) ?? null
      this.#sole = sole?.remoteKey ?? null
    }
    if (sole !== null) this.#askForPieces([sole])
  }

  /** One piece to each in turn, so that the first peer does not take all of a short file. */
  #askForPieces(channels: PieceChannel[]): void {
    const inFlight = new Map<KeyHex, number>()
    let total = this.#writing
    for (const asks of this.#asked.values()) {
      for (const { peer } of asks) inFlight.set(peer, (inFlight.get(peer) ?? 0) + 1)
      total += asks.length
    }
    let idle = channels
    while (idle.length > 0) {
      const next: PieceChannel[] = []
      for (const channel of idle) {
        const peer = channel.remoteKey
        if (total >= PIECES_IN_FLIGHT_MAX || (inFlight.get(peer) ?? 0) >= PIECES_IN_FLIGHT_PER_PEER) continue
        const piece = this.#choose(peer)
        if (piece === null) continue
        inFlight.set(peer, (inFlight.get(peer) ?? 0) + 1)
        total++
        next.push(channel)
        void this.#fetchPiece(channel, piece) // reports to #failed
      }
      idle = next
    }
  }

  #choose(peer: KeyHex): number | null {
    return choosePiece(
      {
        pieces: this.#sink.pieces,
        lowest: this.#lowest,
        held: (piece) => this.#sink.has(piece),
        asked: this.#asked,
        first: this.#options.priority?.() ?? 0,
        verifiable: this.#sink.hasLayer,
        nowMs: this.#now(),
      },
      peer,
    )
  }

  async #fetchPiece(channel: PieceChannel, piece: number): Promise<void> {
    const { artifact } = this.#sink
    const ask = this.#newAsk(channel)
    this.#asked.set(piece, [...(this.#asked.get(piece) ?? []), ask])
    try {
      const byteLength = pieceByteLength(artifact.byteLength, piece)
      const bytes = await channel.ask(artifact.digest, piece, byteLength, ask.controller.signal)
      if (!this.#ended && !this.#sink.has(piece)) await this.#write(channel, piece, bytes)
    } catch (error) {
      this.#failed(channel, error)
    }
    const others = (this.#asked.get(piece) ?? []).filter((other) => other !== ask)
    if (others.length > 0) this.#asked.set(piece, others)
    else this.#asked.delete(piece)
    if (this.#sink.has(piece)) for (const { controller } of others) controller.abort()
    this.#pump()
  }

  async #write(channel: PieceChannel, piece: number, bytes: Buffer): Promise<void> {
    this.#writing++
    try {
      if (!this.#sink.hasLayer) this.#senders.add(channel.remoteKey)
      if (await this.#sink.write(piece, bytes)) return this.#options.onPiece?.()
    } catch (error) {
      return this.#end(asFreshetError(error)) // the disk, not the peer
    } finally {
      this.#writing--
    }
    this.#shun(channel.remoteKey, new FreshetError('PIECE_MISMATCH', `piece ${piece} differs from its hash`, { piece }))
  }

  async #fetchLayer(channel: PieceChannel): Promise<void> {
    const { artifact, pieces } = this.#sink
    const ask = this.#newAsk(channel)
    this.#layerAsks.set(channel.remoteKey, ask)
    try {
      const layer = await channel.askLayer(artifact.digest, pieces, ask.controller.signal)
      if (!this.#ended && !this.#sink.hasLayer) await this.#acceptLayer(channel, layer)
    } catch (error) {
      this.#failed(channel, error)
    }
    this.#layerAsks.delete(channel.remoteKey)
    if (this.#sink.hasLayer) for (const { controller } of this.#layerAsks.values()) controller.abort()
    this.#pump()
  }

  async #acceptLayer(channel: PieceChannel, layer: Buffer): Promise<void> {
    try {
      if (await this.#sink.acceptLayer(layer)) {
        this.#lowest = 0 // what came before the hashes may have been dropped
        return
      }
    } catch (error) {
      return this.#end(asFreshetError(error))
    }
    this.#shun(channel.remoteKey, new FreshetError('PIECE_MISMATCH', 'the piece hashes differ from the signed root'))
  }

  async #complete(): Promise<void> {
    this.#completing = true
    const verifiable = this.#sink.hasLayer
    try {
      if (await this.#sink.complete()) return this.#end(null)
    } catch (error) {
      return this.#end(asFreshetError(error))
    }
    this.#completing = false
    const { digest } = this.#sink.artifact
    const mismatch = (code: 'ARTIFACT_MISMATCH' | 'PIECE_MISMATCH'): FreshetError =>
      new FreshetError(code, `the bytes received are not ${digest}`, { digest })
    // Every piece was as signed, so no other peer can do better.
    if (verifiable) return this.#end(mismatch('ARTIFACT_MISMATCH'))
    const [sender, another] = this.#senders
    this.#senders.clear()
    this.#lowest = 0
    const isKnown = sender !== undefined && sender !== 'earlier' && another === undefined
    if (isKnown) this.#shun(sender, mismatch('PIECE_MISMATCH'))
    this.#pump()
  }

  #failed(channel: PieceChannel, cause: unknown): void {
    const error = asFreshetError(cause)
    const { remoteKey } = channel
    if (this.#ended || error.code === 'INTERRUPTED') return
    // A sole peer that comes and goes could spoil one attempt after the other, so it gets one chance.
    if (remoteKey === this.#sole) this.#shun(remoteKey, error)
    else if (error.code === 'PEER_BUSY') this.#busyUntilMs.set(remoteKey, this.#now() + PEER_BUSY_MS)
    else if (error.code !== 'PEER_LEFT') this.#shun(remoteKey, error)
  }

  #shun(peer: KeyHex, error: FreshetError): void {
    if (this.#ended || this.#shunned.has(peer)) return
    this.#shunned.add(peer)
    if (this.#sole === peer) this.#sole = null
    for (const asks of this.#asked.values()) for (const ask of asks) if (ask.peer === peer) ask.controller.abort()
    this.#layerAsks.get(peer)?.controller.abort()
    this.#options.onShun(peer, error)
  }

  #watchAlone(): void {
    const alone = this.#asked.size === 0 && this.#layerAsks.size === 0 && this.#writing === 0
    if (!alone) this.#aloneSinceMs = null
    else this.#aloneSinceMs ??= this.#now()
    if (this.#aloneSinceMs === null || this.#now() - this.#aloneSinceMs < this.#peersMs()) return
    const { digest } = this.#sink.artifact
    this.#end(
      new FreshetError('ARTIFACT_UNAVAILABLE', `no reachable peer has ${digest}`, { digest, peers: this.#peers.size }),
    )
  }

  #peersMs(): number {
    return this.#options.peersMs ?? TRANSFER_PEERS_MS
  }

  #newAsk(channel: PieceChannel): Ask {
    return { peer: channel.remoteKey, askedAtMs: this.#now(), controller: new AbortController() }
  }

  *#usable(): IterableIterator<PieceChannel> {
    for (const channel of this.#peers) if (this.#isUsable(channel)) yield channel
  }

  #isUsable({ remoteKey, closed }: PieceChannel): boolean {
    if (closed || this.#shunned.has(remoteKey)) return false
    return (this.#busyUntilMs.get(remoteKey) ?? 0) <= this.#now()
  }

  #allHeld(): boolean {
    while (this.#lowest < this.#sink.pieces && this.#sink.has(this.#lowest)) this.#lowest++
    return this.#lowest === this.#sink.pieces
  }

  #end(error: FreshetError | null): void {
    if (this.#ended) return
    this.#ended = true
    for (const asks of this.#asked.values()) for (const { controller } of asks) controller.abort()
    for (const { controller } of this.#layerAsks.values()) controller.abort()
    if (error === null) this.#settle?.resolve()
    else this.#settle?.reject(error)
  }
}

function interrupted(signal: AbortSignal): FreshetError {
  return new FreshetError('INTERRUPTED', 'the transfer was cancelled', {}, signal.reason)
}
