/** Events of a release log (schemas/events.ts) that fix the channel's metadata document: who writes it, and what is in it. */
import { bytes, fixed32, list, nullable, struct, text, uint } from './codec.ts'
import type { Infer } from './codec.ts'
import * as limits from './limits.ts'
import { note } from './note.ts'

/** All whose changes of the metadata document count, in the order in which they were added. The newest such note counts. */
export const maintainers = struct({
  ...note,
  maintainers: list(
    struct({
      /** Of the log that they write to. */
      key: fixed32,
      name: text(limits.MAINTAINER_NAME_BYTES_MAX),
      /** Null: not removed; else so many of their changes go on counting. */
      lastChange: nullable(uint),
    }),
    limits.MAINTAINERS_MAX,
  ),
})

const metadataFields = {
  ...note,
  /** How many changes of each maintainer are in it. */
  counts: list(struct({ key: fixed32, changes: uint }), limits.MAINTAINERS_MAX),
  /** Hashes of its changes that no other one follows: they stand for all changes there are in it. */
  tips: list(fixed32, limits.MAINTAINERS_MAX),
  /** SHA-256 of its state (schemas/metadata-state.ts). */
  digest: fixed32,
  /** Position of the newest `metadataState`: this one, or one that is some changes older. In a fork it may be an upstream's. */
  stateBlock: uint,
}

/** The metadata document as of here: releases after this note have it until the next one. Version 2 added what a fork has of its upstream. */
export const metadata = struct({
  ...metadataFields,
  /**
   * In a fork: position of the `metadata` of an upstream whose changes are in it, and counted among the others; 0: none. Like
   * `stateBlock` it may be further up (schemas/chain-position.ts), so nothing of upstream's is written again.
   */
  upstreamBlock: uint,
})
export const metadataOfVersion1 = struct(metadataFields)

/** The state of the document as of the `metadata` note right after it, in brotli: whoever has it needs no older change. */
export const metadataState = struct({
  byteLength: uint,
  compressed: bytes(limits.EVENT_BYTES_MAX),
})

export type Maintainers = Infer<typeof maintainers>
export type Metadata = Infer<typeof metadata>
export type PackedState = Infer<typeof metadataState>
