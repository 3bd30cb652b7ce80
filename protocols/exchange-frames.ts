/**
 * Exchange: peers spread the files of bundles among each other, block by block.
 *
 *   taker                                          holder
 *   │── open { handle, bundle, held, wanted } ───▶│  each side opens what it takes part in, under a number of its own
 *   │◀─ open ─────────────────────────────────────│  or `decline`: nothing of it is here
 *   │── ask { piece, blocks } ───────────────────▶│  what these words are for: exchange/exchange-words.ts
 *   │◀─ leaves { piece, bytes } ──────────────────│  hashes of the blocks of the piece, before the first of them
 *   │◀─ block { block, bytes } ───────────────────│
 *   │── got { byteLength } ──────────────────────▶│  so much of blocks has come: the holder keeps little on its way
 *   │── askLayer { file, first, count } ─────────▶│  piece hashes of a file of several pieces; answered once they are there
 *   │◀─ layer { file, first, bytes } ─────────────│  no bytes: not to be had here
 *   │── ping { stamp } ──────────────────────────▶│  any time; `pong` repeats the stamp at once
 *   │── close { handle } ────────────────────────▶│  ends it for both
 *
 * A bundle is named by the log and the block of its stanzas (schemas/bundle-files.ts). `handle` is always the sender's own number, except in
 * `decline`; a number is never used twice. Words under a number that is over have crossed its end, and are passed over. Nothing is
 * trusted: a block counts when its hash leads to what the log signs.
 * Versions (part of the protocol name): 1 first release.
 */
import { bytes, fixed32, list, passingBytes, struct, uint, type Infer } from '../schemas/codec.ts'
import { BUNDLE_MAP_BYTES_MAX, HAVE_RUNS_MAX, LAYER_HASHES_MAX, LEAF_BYTES, WANT_RUNS_MAX } from '../schemas/limits.ts'
import { HASH_BYTES, LEAVES_PER_PIECE } from '../schemas/leaf-hashes.ts'
import { frame, protocol } from './protocol.ts'

const CONTROL_BYTES_MAX = 96

const open = struct({
  handle: uint,
  discoveryKey: fixed32,
  block: uint,
  part: uint,
  /** Blocks, and pieces: schemas/number-set.ts. */
  held: bytes(BUNDLE_MAP_BYTES_MAX),
  wanted: bytes(BUNDLE_MAP_BYTES_MAX),
})
const named = struct({ handle: uint })
const have = struct({ handle: uint, runs: list(uint, HAVE_RUNS_MAX) })
const want = struct({ handle: uint, runs: list(uint, WANT_RUNS_MAX) })
const piece = struct({ handle: uint, piece: uint })
const blocks = struct({ handle: uint, piece: uint, blocks: uint })
const leaves = struct({ handle: uint, piece: uint, bytes: bytes(LEAVES_PER_PIECE * HASH_BYTES) })
const block = struct({ handle: uint, block: uint, bytes: passingBytes(LEAF_BYTES) })
const got = struct({ byteLength: uint, atMs: uint })
const askLayer = struct({ handle: uint, file: uint, first: uint, count: uint })
const layer = struct({ handle: uint, file: uint, first: uint, bytes: bytes(LAYER_HASHES_MAX * HASH_BYTES) })
const stamp = struct({ stamp: uint })

export type OpenFrame = Infer<typeof open>

const small = <const Name extends string, Body>(name: Name, body: Parameters<typeof frame<Name, Body>>[0]['body']) =>
  frame({ name, body, byteLengthMax: CONTROL_BYTES_MAX })

export const exchangeFrames = [
  frame({ name: 'open', body: open, byteLengthMax: 2 * BUNDLE_MAP_BYTES_MAX + CONTROL_BYTES_MAX }),
  small('close', named),
  small('decline', named),
  frame({ name: 'want', body: want, byteLengthMax: 8 * WANT_RUNS_MAX + CONTROL_BYTES_MAX }),
  frame({ name: 'have', body: have, byteLengthMax: 8 * HAVE_RUNS_MAX + CONTROL_BYTES_MAX }),
  small('hand', piece),
  small('expect', piece),
  small('ask', blocks),
  small('askWithLeaves', blocks),
  small('cancel', blocks),
  small('refuse', blocks),
  frame({ name: 'leaves', body: leaves, byteLengthMax: LEAVES_PER_PIECE * HASH_BYTES + CONTROL_BYTES_MAX }),
  frame({ name: 'block', body: block, byteLengthMax: LEAF_BYTES + CONTROL_BYTES_MAX }),
  small('got', got),
  small('askLayer', askLayer),
  frame({ name: 'layer', body: layer, byteLengthMax: LAYER_HASHES_MAX * HASH_BYTES + CONTROL_BYTES_MAX }),
  small('ping', stamp),
  small('pong', stamp),
] as const

export const exchangeProtocol = protocol({ name: 'freshet/exchange', version: 1, frames: exchangeFrames })
