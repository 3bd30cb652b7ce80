/**
 * Pieces: two peers fetch parts of artifacts from each other, by the SHA-256 of the whole.
 *
 *   asker                                     holder
 *   │── ask { digest, piece } ───────────────▶│  at most ASKS_PER_PEER_MAX without an answer
 *   │◀─ data { byteOffset, bytes } ───────────│  in order, from the start of the piece to its end
 *   │── askLayer { digest, first, count } ───▶│  piece hashes of an artifact of several pieces
 *   │◀─ layer { bytes } ──────────────────────│
 *   │◀─ refuse { reason } ────────────────────│  instead of either, or as the last word after a cancel
 *   │── cancel ──────────────────────────────▶│  what is on its way may still arrive
 *
 * Every ask names a request id that its asker chose; an answer repeats it. Nothing here is trusted: the hash decides.
 * Versions (part of the protocol name): 1 first release.
 */
import { bytes, fixed32, oneOf, struct, uint, type Infer } from '../schemas/codec.ts'
import { LAYER_HASHES_MAX, PIECE_PART_BYTES_MAX } from '../schemas/limits.ts'
import { frame, protocol } from './protocol.ts'

const CONTROL_BYTES_MAX = 128
const HASH_BYTES = 32

/** `absent`: not held here. `busy`: ask again later. `failed`: held, but could not be read. `cancelled`: as asked. */
export const REFUSALS = ['absent', 'busy', 'failed', 'cancelled'] as const
export type Refusal = (typeof REFUSALS)[number]

const ask = struct({ requestId: uint, digest: fixed32, piece: uint })
const askLayer = struct({ requestId: uint, digest: fixed32, first: uint, count: uint })
const data = struct({ requestId: uint, byteOffset: uint, bytes: bytes(PIECE_PART_BYTES_MAX) })
const layer = struct({ requestId: uint, bytes: bytes(LAYER_HASHES_MAX * HASH_BYTES) })
const refuse = struct({ requestId: uint, reason: oneOf(REFUSALS) })
const cancel = struct({ requestId: uint })

export type Ask = Infer<typeof ask>
export type AskLayer = Infer<typeof askLayer>
export type Data = Infer<typeof data>
export type Layer = Infer<typeof layer>

export const piecesProtocol = protocol({
  name: 'freshet/pieces',
  version: 1,
  frames: [
    frame({ name: 'ask', body: ask, byteLengthMax: CONTROL_BYTES_MAX }),
    frame({ name: 'askLayer', body: askLayer, byteLengthMax: CONTROL_BYTES_MAX }),
    frame({ name: 'data', body: data, byteLengthMax: PIECE_PART_BYTES_MAX + CONTROL_BYTES_MAX }),
    frame({ name: 'layer', body: layer, byteLengthMax: LAYER_HASHES_MAX * HASH_BYTES + CONTROL_BYTES_MAX }),
    frame({ name: 'refuse', body: refuse, byteLengthMax: CONTROL_BYTES_MAX }),
    frame({ name: 'cancel', body: cancel, byteLengthMax: CONTROL_BYTES_MAX }),
  ],
})
