/**
 * The blocks of a channel's release log.
 *
 * Written by: actors/ports/publish-release.ts through store/release-log.ts. Read by: every follower, auditor and archive.
 * A block is one event: type, version, body. One release is one atomic append: `stanzas` blocks with text that no earlier
 * release has, the verbatim upstream signature (`signedIndex`), then the `release` itself. Positions are Hypercore block numbers.
 *
 * Growth: an event only gets new versions; old ones stay readable for ever. Event types below SKIPPABLE_FROM must be
 * understood by every reader (an unknown one is VERSION_UNSUPPORTED); types from there on may be skipped by old readers.
 */
import {
  bytes,
  decodeRecord,
  encodeRecord,
  fixed32,
  invalid,
  list,
  nullable,
  oneOf,
  struct,
  text,
  timeMs,
  uint,
} from './codec.ts'
import type { Codec, Infer } from './codec.ts'
import { FreshetError } from './errors.ts'
import * as limits from './limits.ts'

/** First block of every log: what this channel is. */
export const genesis = struct({
  name: text(limits.CHANNEL_NAME_BYTES_MAX),
  kind: oneOf(['deb']),
  createdAtMs: timeMs,
  /** Key of the Hyperbee core that indexes this log; same signer, derived, checked through `release.index`. */
  indexKey: fixed32,
  /** ASCII-armoured OpenPGP public key that signs Release files of this channel where there is no upstream signature. */
  signingKey: bytes(limits.SIGNING_KEY_BYTES_MAX),
})

/** Verbatim stanzas, end to end, in brotli. `byteLengths[i]` bytes belong to stanza i of this block. */
export const stanzas = struct({
  byteLengths: list(uint, limits.STANZAS_PER_BLOCK_MAX),
  compressed: bytes(limits.EVENT_BYTES_MAX),
})

/** A signed index exactly as its distribution wrote it (InRelease), in brotli. A block of its own: folding history skips it. */
export const signedIndex = struct({
  byteLength: uint,
  compressed: bytes(limits.IN_RELEASE_BYTES_MAX),
})

const editOp: Codec<EditOp> = {
  preencode: (state, op) => writeOp(op, (value) => uint.preencode(state, value)),
  encode: (state, op) => writeOp(op, (value) => uint.encode(state, value)),
  decode(state) {
    const head = uint.decode(state)
    const kind = head % 3
    const count = (head - kind) / 3
    if (count === 0) throw invalid('an edit operation of no stanza')
    if (kind === 0) return { op: 'keep', count }
    if (kind === 1) return { op: 'drop', count }
    return { op: 'insert', count, block: uint.decode(state), first: uint.decode(state) }
  },
}

/** From the stanzas of the release before to those of this one (schemas/edit-script.ts applies it). */
export type EditOp =
  | { readonly op: 'keep'; readonly count: number }
  | { readonly op: 'drop'; readonly count: number }
  | { readonly op: 'insert'; readonly count: number; readonly block: number; readonly first: number }

function writeOp(op: EditOp, write: (value: number) => void): void {
  const kind = op.op === 'keep' ? 0 : op.op === 'drop' ? 1 : 2
  write(op.count * 3 + kind) // count and kind in one integer: most operations take two or three bytes
  if (op.op === 'insert') {
    write(op.block)
    write(op.first)
  }
}

export const indexFile = struct({
  path: text(limits.INDEX_PATH_BYTES_MAX),
  byteLength: uint,
  digest: fixed32,
  script: list(editOp, limits.EDIT_OPS_MAX),
})

const artifactRoot = struct({ digest: fixed32, piecesRoot: fixed32 })

/** Moves the channel from one snapshot to the next. */
export const release = struct({
  number: uint,
  /** When the publisher appended it, and the Date of the signed Release: Unix milliseconds. */
  publishedAtMs: timeMs,
  releasedAtMs: timeMs,
  validUntilMs: nullable(timeMs),
  /** The release before: position and SHA-256 of its block. Null for release 1. */
  previous: nullable(struct({ block: uint, hash: fixed32 })),
  /** Path below dists/ ('bookworm', 'stable/updates'). */
  suite: text(limits.SUITE_BYTES_MAX),
  signedIndexBlock: uint,
  /** Every index file of this snapshot; one that is not listed is gone. */
  indexes: list(indexFile, limits.INDEXES_MAX),
  /** BEP 52 pieces roots that this release adds, for artifacts of two pieces and more whose bytes the publisher had. */
  roots: list(artifactRoot, limits.ARTIFACT_ROOTS_MAX),
  /** Head of the Hyperbee index that belongs to this release. */
  index: struct({ length: uint, treeHash: fixed32 }),
})

/** Still current: lets a follower tell a quiet channel from a frozen view. */
export const heartbeat = struct({
  atMs: timeMs,
  validUntilMs: timeMs,
  /** Position of the newest release, 0 when there is none yet. */
  releaseBlock: uint,
})

export type Genesis = Infer<typeof genesis>
export type Stanzas = Infer<typeof stanzas>
export type SignedIndex = Infer<typeof signedIndex>
export type IndexFile = Infer<typeof indexFile>
export type Release = Infer<typeof release>
export type Heartbeat = Infer<typeof heartbeat>

export type ChannelEvent =
  | ({ readonly type: 'genesis' } & Genesis)
  | ({ readonly type: 'stanzas' } & Stanzas)
  | ({ readonly type: 'signedIndex' } & SignedIndex)
  | ({ readonly type: 'release' } & Release)
  | ({ readonly type: 'heartbeat' } & Heartbeat)

/** Event types from here on may be skipped by a reader that does not know them. */
const SKIPPABLE_FROM = 64

/** Append only. Numbers 5 to 12 are spoken for: clusters, withdraw, halt, rotate, checkpoint, tag, maintainers, metadata. */
const TYPES = {
  genesis: { number: 0, version: 1, body: genesis },
  stanzas: { number: 1, version: 1, body: stanzas },
  release: { number: 2, version: 1, body: release },
  heartbeat: { number: 3, version: 1, body: heartbeat },
  signedIndex: { number: 4, version: 1, body: signedIndex },
} as const

type TypeName = keyof typeof TYPES

export function encodeEvent(event: ChannelEvent): Buffer {
  const { number, version, body } = TYPES[event.type]
  const record = encodeRecord(body as Codec<unknown>, event)
  if (record.byteLength + 2 > limits.EVENT_BYTES_MAX)
    throw invalid(`a ${event.type} event of ${record.byteLength} bytes`)
  return Buffer.concat([Buffer.of(number, version), record])
}

/**
 * @returns null for an unknown event that may be skipped.
 * @throws FreshetError EVENT_INVALID, or VERSION_UNSUPPORTED for an event of a newer Freshet.
 */
export function decodeEvent(block: Uint8Array): ChannelEvent | null {
  if (block.byteLength < 2 || block.byteLength > limits.EVENT_BYTES_MAX)
    throw invalid(`a block of ${block.byteLength} bytes`)
  const [number = 0, version = 0] = block
  const name = (Object.keys(TYPES) as TypeName[]).find((type) => TYPES[type].number === number)
  if (name === undefined) {
    if (number >= SKIPPABLE_FROM) return null
    throw new FreshetError('VERSION_UNSUPPORTED', `event type ${number} is not known to this version`, { number })
  }
  const type = TYPES[name]
  if (version !== type.version) {
    throw new FreshetError('VERSION_UNSUPPORTED', `${name} event of version ${version} is not known`, { name, version })
  }
  return { type: name, ...decodeRecord(type.body as Codec<object>, block.subarray(2)) } as ChannelEvent
}

/** @throws FreshetError EVENT_INVALID unless `event` is of the type that its position demands. */
export function expectEvent<Name extends TypeName>(
  name: Name,
  event: ChannelEvent | null,
  block: number,
): Extract<ChannelEvent, { type: Name }> {
  if (event?.type !== name) throw invalid(`block ${block} holds ${event?.type ?? 'an unknown event'}, not ${name}`)
  return event as Extract<ChannelEvent, { type: Name }>
}
