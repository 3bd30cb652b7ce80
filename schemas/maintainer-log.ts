/**
 * The blocks of a maintainer's log: whose document it is for, then one change of it in each block.
 *
 * Written by: the maintainer's node (store/maintainer-log.ts). Read by: everybody who merges the document.
 * Block 0 is the heading; change n of this author stands in block n. The log's key is the author's name in every change.
 */
import { bytes, decodeRecord, encodeRecord, fixed32, invalid, list, struct, text, timeMs, uint } from './codec.ts'
import type { Codec, Infer } from './codec.ts'
import { FreshetError } from './errors.ts'
import * as limits from './limits.ts'

/** Signed by the log's key like every block: nobody else can make the key a maintainer of another channel. */
const heading = struct({
  channel: fixed32,
  name: text(limits.MAINTAINER_NAME_BYTES_MAX),
  createdAtMs: timeMs,
})

const change = struct({
  /** Where the changes that it follows stand, in the order in which it names their hashes. */
  follows: list(struct({ key: fixed32, seq: uint }), limits.CHANGE_DEPS_MAX),
  /** As Automerge writes it, in brotli. */
  byteLength: uint,
  compressed: bytes(limits.CHANGE_BYTES_MAX),
})

export type MaintainerHeading = Infer<typeof heading>
export type PackedChange = Infer<typeof change>

export type MaintainerBlock =
  | ({ readonly type: 'heading' } & MaintainerHeading)
  | ({ readonly type: 'change' } & PackedChange)

/** Append only. */
const TYPES = {
  heading: { number: 0, version: 1, body: heading },
  change: { number: 1, version: 1, body: change },
} as const

export function encodeMaintainerBlock(block: MaintainerBlock): Buffer {
  const { number, version, body } = TYPES[block.type]
  return Buffer.concat([Buffer.of(number, version), encodeRecord(body as Codec<unknown>, block)])
}

/** @throws FreshetError EVENT_INVALID, VERSION_UNSUPPORTED. */
export function decodeMaintainerBlock(block: Uint8Array): MaintainerBlock {
  if (block.byteLength < 2 || block.byteLength > limits.MAINTAINER_BLOCK_BYTES_MAX) {
    throw invalid(`a block of ${block.byteLength} bytes`)
  }
  const type = (Object.keys(TYPES) as MaintainerBlock['type'][]).find((name) => TYPES[name].number === block[0])
  if (type === undefined || TYPES[type].version !== block[1]) {
    throw new FreshetError('VERSION_UNSUPPORTED', `block type ${block[0]} version ${block[1]} is not known`)
  }
  return { type, ...decodeRecord(TYPES[type].body as Codec<object>, block.subarray(2)) } as MaintainerBlock
}
