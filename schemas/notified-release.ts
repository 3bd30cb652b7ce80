/**
 * What a node told about releases of a channel: one entry of the list in its journal (fact `notification.made`).
 *
 * Everything that is delivered later is made from this record alone, so that a second try says the same as the first.
 */
import { fixed32, flag, list, nullable, oneOf, struct, text, timeMs, uint } from './codec.ts'
import type { Infer } from './codec.ts'
import {
  ARCHITECTURE_BYTES_MAX,
  NOTIFIED_CHANGES_MAX,
  NOTIFIED_CONFLICTS_MAX,
  PACKAGE_NAME_BYTES_MAX,
  SECTION_BYTES_MAX,
  VERSION_BYTES_MAX,
} from './limits.ts'
import { CHANGE_KINDS } from './package-difference.ts'
import { INTERVALS, PRIORITIES, URGENCIES } from './subscription.ts'

const version = text(VERSION_BYTES_MAX)

const changeFields = {
  kind: oneOf(CHANGE_KINDS),
  name: text(PACKAGE_NAME_BYTES_MAX),
  architecture: text(ARCHITECTURE_BYTES_MAX),
  /** Version before and after; null where there is none. */
  from: nullable(version),
  to: nullable(version),
  /** Size of the new .deb; 0 when it is gone. */
  byteLength: uint,
  /** Empty: the stanza does not say. */
  section: text(SECTION_BYTES_MAX),
  priority: oneOf(PRIORITIES),
  urgency: oneOf(URGENCIES),
  security: flag,
  /** The version that this machine has; null: none, or it is not known what it has. */
  installed: nullable(version),
  /** `to` is newer than that. */
  upgrade: flag,
}
const notifiedChange = struct({
  ...changeFields,
  /** Names of packages that this machine has and that do not go with `to`. */
  conflicts: list(text(PACKAGE_NAME_BYTES_MAX), NOTIFIED_CONFLICTS_MAX),
})
export type NotifiedChange = Infer<typeof notifiedChange>

/** In their order, which the two versions share. */
const headFields = {
  /** Random, once for each notification: by it a receiver knows one that comes again. */
  uid: fixed32,
  /** From 1, in order, over all channels of the node. */
  number: uint,
  /** The release that was told before, 0: none; and the one that this tells of. */
  previous: uint,
  release: uint,
  publishedAtMs: timeMs,
  releasedAtMs: timeMs,
  /** Packages in the snapshot. */
  packages: uint,
  /** Releases that the node knew of beyond this one. */
  behind: uint,
  interval: oneOf(INTERVALS),
  /** Changes that the filters let pass, by kind. */
  counts: struct({ added: uint, removed: uint, upgraded: uint, downgraded: uint, changed: uint }),
}
const whyFields = { upgrade: uint, security: uint, new: uint }
const tailFields = {
  /** Sizes of the packages that came, and of those that this machine would upgrade to. */
  bytes: uint,
  upgradeBytes: uint,
  /** Changes that the filters held back. */
  leftOut: uint,
}

export const notifiedRelease = struct({
  ...headFields,
  /**
   * Of these changes: upgrades of what this machine has, those from a security archive, those that are new in the channel, and
   * those that do not go with something that this machine has.
   */
  why: struct({ ...whyFields, conflicts: uint }),
  ...tailFields,
  /** Null: a first release, or too many changes to list. */
  changes: nullable(list(notifiedChange, NOTIFIED_CHANGES_MAX)),
})
/** Before conflicts were told. */
export const notifiedReleaseOfVersion1 = struct({
  ...headFields,
  why: struct(whyFields),
  ...tailFields,
  changes: nullable(list(struct(changeFields), NOTIFIED_CHANGES_MAX)),
})
export type NotifiedRelease = Infer<typeof notifiedRelease>
