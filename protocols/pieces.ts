/**
 * The pieces channel of one connection, both directions: asks of ours (piece-client.ts), asks of theirs (piece-server.ts).
 * Frames, order and rules: piece-frames.ts.
 */
import { FreshetError } from '../schemas/errors.ts'
import type { DigestHex, KeyHex } from '../schemas/units.ts'
import type { GuardedMux } from './guard.ts'
import { PieceClient } from './piece-client.ts'
import { piecesProtocol } from './piece-frames.ts'
import { PieceServer, type PieceSource, type SendingGate } from './piece-server.ts'

/** One peer, or one mirror (mirror-channel.ts), that can be asked for pieces. */
export interface PieceChannel {
  readonly remoteKey: KeyHex
  readonly closed: boolean
  /** False for who has no piece hashes and is not asked for them. */
  readonly givesLayers: boolean
  /** @throws FreshetError ARTIFACT_UNAVAILABLE, PEER_BUSY, PEER_SLOW, PEER_LEFT, or INTERRUPTED by `signal`. */
  ask(digest: DigestHex, pieceIndex: number, expectedByteLength: number, signal?: AbortSignal): Promise<Buffer>
  /** Hashes of all pieces, 32 bytes each, unverified. Fails as `ask` does. */
  askLayer(digest: DigestHex, pieces: number, signal?: AbortSignal): Promise<Buffer>
  close(): void
}

export interface PiecesOptions {
  readonly onclose?: () => void
  /** Instead of PIECE_WINDOW_MS. */
  readonly windowMs?: number
  /** Without one everything goes at once. */
  readonly gate?: SendingGate
}

/** Null when the channel is open on this connection already. Serves `source` until either end closes. */
export function openPieces(
  mux: GuardedMux,
  remoteKey: KeyHex,
  source: PieceSource,
  options: PiecesOptions = {},
): PieceChannel | null {
  const session = piecesProtocol.open(mux, {
    on: {
      ask: (ask) => server.ask(ask),
      askLayer: (ask) => server.askLayer(ask),
      data: (data) => client.data(data),
      layer: (layer) => client.layer(layer),
      refuse: ({ requestId, reason }) => client.refused(requestId, reason),
      cancel: ({ requestId }) => server.cancel(requestId),
    },
    onclose: () => {
      server.close()
      client.close(new FreshetError('PEER_LEFT', 'the peer closed its connection'))
      options.onclose?.()
    },
  })
  if (session === null) return null
  const client = new PieceClient({ ...session.send, giveUp: (error) => mux.refuse(error) }, options.windowMs)
  const sender = { ...session.send, room: (byteLengthMax: number) => mux.room(byteLengthMax) }
  const server = new PieceServer(source, sender, options.gate)
  return {
    remoteKey,
    givesLayers: true,
    get closed() {
      return session.closed
    },
    ask: (...ask) => client.ask(...ask),
    askLayer: (...ask) => client.askLayer(...ask),
    close: () => session.close(),
  }
}
