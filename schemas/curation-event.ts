/** The event of a release log (schemas/events.ts) in which a fork says what it wants to be different from its upstream. */
import { list, oneOf, struct, text, uint } from './codec.ts'
import type { Infer } from './codec.ts'
import * as limits from './limits.ts'

/** Which of two versions of a package a fork takes where both it and its upstream have one. */
const mergeRule = oneOf(['keep-ours', 'newer', 'theirs'])
/** Whether the publisher's node takes a new release of upstream by itself: never, where nothing collides or breaks, or always. */
const autoMerge = oneOf(['off', 'clean', 'always'])
/** A stanza for the index file `paths[path]`, in this log or an upstream's (schemas/chain-position.ts). */
const curatedStanza = struct({ path: uint, block: uint, ordinal: uint })

/**
 * What a fork wants to be different from its upstream, whatever that does next: schemas/curate.ts makes a snapshot from it. It stands
 * before the release that first has it, and says everything each time. Packages of ours that are overruled stay listed.
 */
export const curation = struct({
  /** Counts for packages without a rule of their own. */
  rule: mergeRule,
  auto: autoMerge,
  paths: list(text(limits.INDEX_PATH_BYTES_MAX), limits.INDEXES_MAX),
  own: list(curatedStanza, limits.CURATED_MAX),
  pinned: list(curatedStanza, limits.CURATED_MAX),
  removed: list(text(limits.PACKAGE_NAME_BYTES_MAX), limits.CURATED_MAX),
  rules: list(struct({ name: text(limits.PACKAGE_NAME_BYTES_MAX), rule: mergeRule }), limits.CURATED_MAX),
})

export type Curation = Infer<typeof curation>
export type MergeRule = Infer<typeof mergeRule>
export type AutoMerge = Infer<typeof autoMerge>
