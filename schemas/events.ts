/**
 * The blocks of a channel's release log.
 *
 * Written by: actors/ports/publish-release.ts through store/release-log.ts. Read by: every follower, auditor and archive.
 * A block is one event: type, version, body. One release is one atomic append: `stanzas` blocks with text that no earlier
 * release has, the verbatim upstream signature (`signedIndex`), in a fork the `curation` where that changed, then the `release` itself. The first release after a full
 * chapter begins with that `chapter`, its `checkpoint`s and `roots`, and copies of thinly spread stanzas with their `gathering`. Notes
 * (`tag`, `heartbeat`, `rotate`, `mirrors`, `withdraw`, `rollout`, `maintainers`, `metadata`) stand between releases; a `metadata` may have a `metadataState`
 * right before it.
 * Positions are Hypercore block numbers; block 0 is the genesis, so 0 says "none" everywhere else.
 *
 * Growth: an event only gets new versions; old ones stay readable for ever. Event types below SKIPPABLE_FROM must be
 * understood by every reader (an unknown one is VERSION_UNSUPPORTED); types from there on may be skipped by old readers.
 */
import {
  bytes,
  decodeRecord,
  encodeRecord,
  fixed32,
  formerly,
  invalid,
  list,
  nullable,
  oneOf,
  struct,
  text,
  timeMs,
  uint,
} from './codec.ts'
import type { Codec, FormerVersion, Infer } from './codec.ts'
import { curation } from './curation-event.ts'
import type { Curation } from './curation-event.ts'
import { FreshetError } from './errors.ts'
import { signedHead } from './evidence.ts'
import * as limits from './limits.ts'
import { maintainers, metadata, metadataOfVersion1, metadataState } from './metadata-events.ts'
import type { Maintainers, Metadata, PackedState } from './metadata-events.ts'
import { note } from './note.ts'
import { rollout, rolloutState } from './rollout.ts'
import { verdicts } from './verdict.ts'
import { withdrawal, withdrawalFields } from './withdrawal.ts'

/** A release of another log: its number, position, and the SHA-256 of its block, which says what all blocks before it are. */
const upstreamRelease = { number: uint, block: uint, hash: fixed32 }

const genesisFields = {
  name: text(limits.CHANNEL_NAME_BYTES_MAX),
  kind: oneOf(['deb']),
  createdAtMs: timeMs,
  /** Key of the Hyperbee core that indexes this log; same signer, derived, checked through `release.index`. */
  indexKey: fixed32,
  /** ASCII-armoured OpenPGP public key that signs Release files of this channel where there is no upstream signature. */
  signingKey: bytes(limits.SIGNING_KEY_BYTES_MAX),
  /** The channel that this one continues with other signers: its last head before the `rotate` that names this one. */
  predecessor: nullable(struct({ key: fixed32, length: uint, treeHash: fixed32 })),
}

/** First block of every log: what this channel is. Version 2 added the upstream. */
export const genesis = struct({
  ...genesisFields,
  /** A fork names the log that its releases are changes of, the release at which it left it, and the tree hash of that log before that
   * release, as the release itself states it. */
  upstream: nullable(struct({ key: fixed32, ...upstreamRelease, treeHash: fixed32 })),
})
const genesisOfVersion1 = struct(genesisFields)

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

/**
 * From the stanzas of the release before to those of this one (schemas/edit-script.ts applies it); in a fork, from those of the
 * upstream release that it names. `block` may be of an upstream's log: schemas/chain-position.ts.
 */
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

const artifactRoots = list(struct({ digest: fixed32, piecesRoot: fixed32 }), limits.ARTIFACT_ROOTS_MAX)

const releaseFields = {
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
  /** BEP 52 pieces roots of artifacts of two blocks and more whose stanzas come with this release, as far as the publisher had them. */
  roots: artifactRoots,
  /** Of artifacts of two pieces and more whose stanzas an earlier release brought: their bytes were at hand only now. */
  lateRoots: artifactRoots,
  /** Head of the Hyperbee index that belongs to this release. */
  index: struct({ length: uint, treeHash: fixed32 }),
  /** The log before this release, with its signatures: Hypercore itself keeps only the newest, so this is what makes the release before
   * checkable from the log alone. */
  headBefore: signedHead,
  /** Positions of the newest chapter and the newest note before this block; 0: none yet. */
  chapterBlock: uint,
  noteBlock: uint,
}

const releaseFieldsOfVersion2 = {
  ...releaseFields,
  /** In a fork: the upstream release that the scripts start from, and the position of the newest `curation`. */
  upstream: nullable(struct({ ...upstreamRelease, curationBlock: uint })),
}

/** Moves the channel from one snapshot to the next. Version 2 added what a fork says; version 3 what cannot be installed. */
export const release = struct({
  ...releaseFieldsOfVersion2,
  /** For each architecture; null: the publisher has not looked. */
  verdicts: nullable(verdicts),
})
const releaseOfVersion1 = struct(releaseFields)
const releaseOfVersion2 = struct(releaseFieldsOfVersion2)

/**
 * The runs of one index file as of the last release of a chapter: from here on a reader folds at most CHAPTER_RELEASES scripts.
 * Long ones are cut: `compressed` goes on in the next checkpoint, which is of the same index file. Derived; whoever rebuilds the index sees by its signed SHA-256 whether it is right.
 */
export const checkpoint = struct({
  path: text(limits.INDEX_PATH_BYTES_MAX),
  byteLength: uint,
  digest: fixed32,
  /** schemas/packed-runs.ts, in brotli. */
  packedByteLength: uint,
  compressed: bytes(limits.EVENT_BYTES_MAX),
})

/**
 * Copies of stanzas that live on in blocks of which little else does: in the `stanzas` blocks right before this one. A shorter
 * way to their text, and nothing more: scripts, checkpoints and the look-up index name the originals. Derived like a checkpoint.
 */
export const gathering = struct({
  /** Stanzas in each of these blocks, the last of which stands right before this one. */
  counts: list(uint, limits.GATHERED_BLOCKS_MAX),
  /** Where the originals stand, in the order of the copies: schemas/packed-runs.ts, in brotli. */
  packedByteLength: uint,
  compressed: bytes(limits.EVENT_BYTES_MAX),
})

/** Piece roots of one chapter's snapshot that are not found in the release that brought the stanza. */
export const roots = struct({ roots: artifactRoots })

const chapterRelease = struct({
  block: uint,
  hash: fixed32,
  publishedAtMs: timeMs,
  releasedAtMs: timeMs,
  validUntilMs: nullable(timeMs),
  suite: text(limits.SUITE_BYTES_MAX),
  signedIndexBlock: uint,
})

/**
 * A page of the table of contents: CHAPTER_RELEASES releases in order, chapter i holding numbers i * CHAPTER_RELEASES + 1 and
 * up. Comes with the first release after them. With the positions of all chapters before, any release is a few reads away.
 */
const chapterFields = {
  earlier: list(uint, limits.CHAPTERS_MAX),
  releases: list(chapterRelease, limits.CHAPTER_RELEASES),
  /** Checkpoints of the last of these releases, for each of its index files, in order. */
  checkpointBlocks: list(uint, limits.CHECKPOINT_BLOCKS_MAX),
  /** Position of a `roots` block; 0: no root came late. */
  rootsBlock: uint,
  /** Every tag so far, and the newest note that this covers (0: none). */
  tags: list(struct({ name: text(limits.TAG_BYTES_MAX), number: uint }), limits.TAGS_MAX),
  noteBlock: uint,
}

/** Base URLs of HTTP mirrors. Whether each can be used is for its reader to see (schemas/mirror-url.ts): one that cannot stops no log. */
const mirrorUrls = list(text(limits.MIRROR_URL_BYTES_MAX), limits.MIRRORS_MAX)

const chapterFieldsOfVersion2 = {
  ...chapterFields,
  /** As of the newest note that this covers. */
  mirrors: mirrorUrls,
  /** Positions of the gatherings that are of use from here on, oldest first. */
  gatherings: list(uint, limits.GATHERINGS_MAX),
}

const chapterFieldsOfVersion3 = {
  ...chapterFieldsOfVersion2,
  /** Positions of the newest notes of these kinds that this covers; 0: none. */
  maintainersBlock: uint,
  metadataBlock: uint,
  /** Every version that was withdrawn so far. */
  withdrawn: list(withdrawal, limits.WITHDRAWN_MAX),
}

/** Version 2 added mirrors and gatherings, and checkpoints in parts; 3 where the metadata stands, and what was withdrawn; 4 roll-outs. */
export const chapter = struct({
  ...chapterFieldsOfVersion3,
  /** Releases that are not offered to everybody, by number. */
  rollouts: list(rolloutState, limits.ROLLOUTS_MAX),
})
const chapterOfVersion1 = struct(chapterFields)
const chapterOfVersion2 = struct(chapterFieldsOfVersion2)
const chapterOfVersion3 = struct(chapterFieldsOfVersion3)

/** A name for a release, given once and for ever. */
export const tag = struct({ ...note, name: text(limits.TAG_BYTES_MAX), number: uint })

/** Still current: lets a follower tell a quiet channel from a frozen view. */
export const heartbeat = struct({ ...note, validUntilMs: timeMs })

/** The last word of this log: it goes on as another one, with other signers. No release follows. */
export const rotate = struct({ ...note, successor: fixed32 })

/** HTTP servers that have the channel's files below these URLs, as the distribution lays them out. The newest such note counts. */
export const mirrors = struct({ ...note, urls: mirrorUrls })

/** A version of a package that should not be used any more. Said once, and for ever; releases that hold it stay what they are. */
export const withdraw = struct({ ...note, ...withdrawalFields })

export type Genesis = Infer<typeof genesis>
/** How a fork says which upstream release it stands on. */
export type UpstreamRelease = Pick<NonNullable<Release['upstream']>, 'number' | 'block' | 'hash'>
export type { AutoMerge, Curation, MergeRule } from './curation-event.ts'
export type Stanzas = Infer<typeof stanzas>
export type SignedIndex = Infer<typeof signedIndex>
export type IndexFile = Infer<typeof indexFile>
export type Release = Infer<typeof release>
export type Heartbeat = Infer<typeof heartbeat>
export type Checkpoint = Infer<typeof checkpoint>
export type Chapter = Infer<typeof chapter>
export type Gathering = Infer<typeof gathering>
export type Roots = Infer<typeof roots>
export type Tag = Infer<typeof tag>
export type Rotate = Infer<typeof rotate>
export type Mirrors = Infer<typeof mirrors>
export type Withdraw = Infer<typeof withdraw>
export type Rollout = Infer<typeof rollout>

export type ChannelEvent =
  | ({ readonly type: 'genesis' } & Genesis)
  | ({ readonly type: 'stanzas' } & Stanzas)
  | ({ readonly type: 'signedIndex' } & SignedIndex)
  | ({ readonly type: 'release' } & Release)
  | ({ readonly type: 'heartbeat' } & Heartbeat)
  | ({ readonly type: 'checkpoint' } & Checkpoint)
  | ({ readonly type: 'chapter' } & Chapter)
  | ({ readonly type: 'gathering' } & Gathering)
  | ({ readonly type: 'roots' } & Roots)
  | ({ readonly type: 'tag' } & Tag)
  | ({ readonly type: 'rotate' } & Rotate)
  | ({ readonly type: 'mirrors' } & Mirrors)
  | ({ readonly type: 'curation' } & Curation)
  | ({ readonly type: 'withdraw' } & Withdraw)
  | ({ readonly type: 'rollout' } & Rollout)
  | ({ readonly type: 'maintainers' } & Maintainers)
  | ({ readonly type: 'metadata' } & Metadata)
  | ({ readonly type: 'metadataState' } & PackedState)

/** Event types from here on may be skipped by a reader that does not know them. */
const SKIPPABLE_FROM = 64

/** Append only. Number 5 is spoken for: clusters. 7 is free: what was to be a halt is a rollout. */
const TYPES = {
  genesis: { number: 0, version: 2, body: genesis },
  stanzas: { number: 1, version: 1, body: stanzas },
  release: { number: 2, version: 3, body: release },
  heartbeat: { number: 3, version: 1, body: heartbeat },
  signedIndex: { number: 4, version: 1, body: signedIndex },
  withdraw: { number: 6, version: 1, body: withdraw },
  rotate: { number: 8, version: 1, body: rotate },
  checkpoint: { number: 9, version: 1, body: checkpoint },
  tag: { number: 10, version: 1, body: tag },
  maintainers: { number: 11, version: 1, body: maintainers },
  metadata: { number: 12, version: 2, body: metadata },
  chapter: { number: 13, version: 4, body: chapter },
  roots: { number: 14, version: 1, body: roots },
  mirrors: { number: 15, version: 1, body: mirrors },
  gathering: { number: 16, version: 1, body: gathering },
  metadataState: { number: 17, version: 1, body: metadataState },
  curation: { number: 18, version: 1, body: curation },
  rollout: { number: 19, version: 1, body: rollout },
} as const

const NOTHING_SAID = { maintainersBlock: 0, metadataBlock: 0, withdrawn: [], rollouts: [] }

/** Versions that are read and no longer written. */
const FORMER: { readonly [Name in TypeName]?: readonly FormerVersion[] } = {
  genesis: [formerly(1, genesisOfVersion1, (old) => ({ ...old, upstream: null }))],
  release: [
    formerly(1, releaseOfVersion1, (old) => ({ ...old, upstream: null, verdicts: null })),
    formerly(2, releaseOfVersion2, (old) => ({ ...old, verdicts: null })),
  ],
  chapter: [
    formerly(1, chapterOfVersion1, (old) => ({ ...old, mirrors: [], gatherings: [], ...NOTHING_SAID })),
    formerly(2, chapterOfVersion2, (old) => ({ ...old, ...NOTHING_SAID })),
    formerly(3, chapterOfVersion3, (old) => ({ ...old, rollouts: [] })),
  ],
  metadata: [formerly(1, metadataOfVersion1, (old) => ({ ...old, upstreamBlock: 0 }))],
}

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
    const former = FORMER[name]?.find((candidate) => candidate.version === version)
    if (former !== undefined) return { type: name, ...former.decode(block.subarray(2)) } as ChannelEvent
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
