/**
 * Facts that a node records about itself. Its machines are folds of these; nothing here is ever sent to a peer.
 *
 * Written and read by: actors/session.ts through store/journal.ts. A block of the journal is one fact: type, version, body.
 * Keys and digests are hex, because facts become events and context of machines. Types are only appended, never renumbered.
 */
import { channelNotice } from './channel-notice.ts'
import {
  decodeRecord,
  encodeRecord,
  fixed32,
  flag,
  formerly,
  list,
  nullable,
  oneOf,
  struct,
  text,
  uint,
} from './codec.ts'
import type { Codec, FormerVersion, Infer } from './codec.ts'
import { FreshetError } from './errors.ts'
import { fetchReport } from './fetch-report.ts'
import * as limits from './limits.ts'
import { notifiedRelease, notifiedReleaseOfVersion1 } from './notified-release.ts'
import type { NotifiedRelease } from './notified-release.ts'
import { subscription } from './subscription.ts'
import { digestHex, keyHex } from './units.ts'
import type { DigestHex, KeyHex } from './units.ts'

const key = hexOf<KeyHex>(keyHex)
const digest = hexOf<DigestHex>(digestHex)
const code = text(limits.CODE_BYTES_MAX)
/** Append only. */
export const TARGET_KINDS = ['hook', 'webhook', 'desktop'] as const

/** This node holds the signing key of a channel ('publisher'), follows it ('follower'), or has its log for a fork of it ('upstream'). */
const channelAdded = struct({
  key,
  name: text(limits.CHANNEL_NAME_BYTES_MAX),
  role: oneOf(['publisher', 'follower', 'upstream']),
  atMs: uint,
})
/** A newer signed head of a channel's log reached this node. */
const headAccepted = struct({ key, length: uint, fork: uint, treeHash: digest, atMs: uint })
/** A release was read from the log, and its indexes were rebuilt and equal the signed ones: it is what the gateway serves. */
const releaseReady = struct({ key, length: uint, number: uint, block: uint, atMs: uint })
/** A head brought a release that does not hold; the one before is still served. */
const releaseRefused = struct({ key, length: uint, code, atMs: uint })
/** The channel's publisher broke a rule that cannot be mended by waiting. */
const channelStopped = struct({ key, code, atMs: uint })
const wantedFields = { key, digest, byteLength: uint, piecesRoot: nullable(fixed32), atMs: uint }
/** Somebody asked for an artifact that is not here. Version 2 added its path in the repository, by which mirrors know
 * it, and the block of the log that holds its stanza, by which peers do (0: not known). */
const artifactWanted = struct({ ...wantedFields, path: nullable(text(limits.PATH_BYTES_MAX)), block: uint })
const artifactWantedOfVersion1 = struct(wantedFields)
const keptFields = { digest, byteLength: uint, atMs: uint }
/** It is in the pool: whole, checked, on disk. Version 2 added where it came from. */
const artifactKept = struct({ ...keptFields, report: nullable(fetchReport) })
const artifactKeptOfVersion1 = struct(keptFields)
const unavailableFields = { digest, code, atMs: uint }
/** No peer could give it in the time there was. Version 2 added who was asked. */
const artifactUnavailable = struct({ ...unavailableFields, report: nullable(fetchReport) })
const artifactUnavailableOfVersion1 = struct(unavailableFields)
/** The newest release is older than it may be, and this was said to whoever listened. */
const channelFrozen = struct({ key, number: uint, validUntilMs: uint, atMs: uint })
/** A frozen channel has a release again that is good. */
const channelThawed = struct({ key, number: uint, atMs: uint })
/** A channel passed to its successor, which has the name now; the old log stays, under another. */
const channelMoved = struct({ key, retiredAs: text(limits.CHANNEL_NAME_BYTES_MAX), successor: key, atMs: uint })
/** HTTP mirrors that whoever runs this node named for a channel, for this node alone. The newest such fact counts. */
const mirrorsChosen = struct({ key, urls: list(text(limits.MIRROR_URL_BYTES_MAX), limits.MIRRORS_MAX), atMs: uint })
/** What of a channel its follower wants to be told. The newest such fact counts. */
const subscriptionChosen = struct({ key, subscription, atMs: uint })
/** A notification, and with it: the releases up to the one that it names have been told. Version 2 added conflicts. */
const notificationMade = struct({ key, notified: notifiedRelease, atMs: uint })
const notificationMadeOfVersion1 = struct({ key, notified: notifiedReleaseOfVersion1, atMs: uint })
/** A notification about a channel that tells of no release, and with it: that has been told. */
const noticeMade = struct({ key, notice: channelNotice, atMs: uint })
/** So many of the withdrawals of a channel have been told or passed over; and, where it says so, the newest freeze or thaw. */
const noticePassed = struct({ key, withdrawn: uint, isFreshnessTold: flag, atMs: uint })
/** The releases up to this one have been looked at: the filters let nothing pass. */
const releasePassed = struct({ key, number: uint, atMs: uint })
const target = { kind: oneOf(TARGET_KINDS), place: text(limits.TARGET_PLACE_BYTES_MAX) }
/** Notifications are to go to a program, URL or desktop as well: those after number `after`. */
const targetChosen = struct({ ...target, after: uint, undelivered: uint, atMs: uint })
const targetRemoved = struct({ ...target, atMs: uint })
/** Notifications up to this number have been delivered there, or, with a code, were given up or passed over. */
const deliveryDone = struct({ ...target, number: uint, code, atMs: uint })
/** One could not be delivered: how often in a row, since when, and when it is tried again. */
const deliveryFailed = struct({
  ...target,
  number: uint,
  tries: uint,
  sinceMs: uint,
  retryAtMs: uint,
  code,
  atMs: uint,
})
/** Everything before this is void: the facts that follow say the same in fewer words. */
const journalCompacted = struct({ factsBefore: uint, atMs: uint })

export type Fact =
  | ({ readonly type: 'channel.added' } & Infer<typeof channelAdded>)
  | ({ readonly type: 'head.accepted' } & Infer<typeof headAccepted>)
  | ({ readonly type: 'release.ready' } & Infer<typeof releaseReady>)
  | ({ readonly type: 'release.refused' } & Infer<typeof releaseRefused>)
  | ({ readonly type: 'channel.stopped' } & Infer<typeof channelStopped>)
  | ({ readonly type: 'artifact.wanted' } & Infer<typeof artifactWanted>)
  | ({ readonly type: 'artifact.kept' } & Infer<typeof artifactKept>)
  | ({ readonly type: 'artifact.unavailable' } & Infer<typeof artifactUnavailable>)
  | ({ readonly type: 'channel.moved' } & Infer<typeof channelMoved>)
  | ({ readonly type: 'journal.compacted' } & Infer<typeof journalCompacted>)
  | ({ readonly type: 'channel.frozen' } & Infer<typeof channelFrozen>)
  | ({ readonly type: 'channel.thawed' } & Infer<typeof channelThawed>)
  | ({ readonly type: 'mirrors.chosen' } & Infer<typeof mirrorsChosen>)
  | ({ readonly type: 'subscription.chosen' } & Infer<typeof subscriptionChosen>)
  | ({ readonly type: 'notification.made' } & Infer<typeof notificationMade>)
  | ({ readonly type: 'notice.made' } & Infer<typeof noticeMade>)
  | ({ readonly type: 'notice.passed' } & Infer<typeof noticePassed>)
  | ({ readonly type: 'release.passed' } & Infer<typeof releasePassed>)
  | ({ readonly type: 'target.chosen' } & Infer<typeof targetChosen>)
  | ({ readonly type: 'target.removed' } & Infer<typeof targetRemoved>)
  | ({ readonly type: 'delivery.done' } & Infer<typeof deliveryDone>)
  | ({ readonly type: 'delivery.failed' } & Infer<typeof deliveryFailed>)

export type FactOf<Type extends Fact['type']> = Extract<Fact, { type: Type }>

const FACTS = {
  'channel.added': { number: 1, version: 1, body: channelAdded },
  'head.accepted': { number: 2, version: 1, body: headAccepted },
  'release.ready': { number: 3, version: 1, body: releaseReady },
  'release.refused': { number: 4, version: 1, body: releaseRefused },
  'channel.stopped': { number: 5, version: 1, body: channelStopped },
  'artifact.wanted': { number: 6, version: 2, body: artifactWanted },
  'artifact.kept': { number: 7, version: 2, body: artifactKept },
  'artifact.unavailable': { number: 8, version: 2, body: artifactUnavailable },
  'journal.compacted': { number: 9, version: 1, body: journalCompacted },
  'channel.frozen': { number: 10, version: 1, body: channelFrozen },
  'channel.thawed': { number: 11, version: 1, body: channelThawed },
  'channel.moved': { number: 12, version: 1, body: channelMoved },
  'mirrors.chosen': { number: 13, version: 1, body: mirrorsChosen },
  'subscription.chosen': { number: 14, version: 1, body: subscriptionChosen },
  'notification.made': { number: 15, version: 2, body: notificationMade },
  'release.passed': { number: 16, version: 1, body: releasePassed },
  'target.chosen': { number: 17, version: 1, body: targetChosen },
  'target.removed': { number: 18, version: 1, body: targetRemoved },
  'delivery.done': { number: 19, version: 1, body: deliveryDone },
  'delivery.failed': { number: 20, version: 1, body: deliveryFailed },
  'notice.made': { number: 21, version: 1, body: noticeMade },
  'notice.passed': { number: 22, version: 1, body: noticePassed },
} as const

/** Versions that are read and no longer written. */
const FORMER: { readonly [Type in Fact['type']]?: readonly FormerVersion[] } = {
  'artifact.wanted': [formerly(1, artifactWantedOfVersion1, (old) => ({ ...old, path: null, block: 0 }))],
  'artifact.kept': [formerly(1, artifactKeptOfVersion1, (old) => ({ ...old, report: null }))],
  'notification.made': [
    formerly(1, notificationMadeOfVersion1, ({ notified, ...old }) => ({
      ...old,
      notified: withoutConflicts(notified),
    })),
  ],
  'artifact.unavailable': [formerly(1, artifactUnavailableOfVersion1, (old) => ({ ...old, report: null }))],
}

function withoutConflicts(old: Infer<typeof notifiedReleaseOfVersion1>): NotifiedRelease {
  const changes = old.changes?.map((change) => ({ ...change, conflicts: [] })) ?? null
  return { ...old, why: { ...old.why, conflicts: 0 }, changes }
}

export function encodeFact(fact: Fact): Buffer {
  const { number, version, body } = FACTS[fact.type]
  return Buffer.concat([Buffer.of(number, version), encodeRecord(body as Codec<unknown>, fact)])
}

/** @throws FreshetError VERSION_UNSUPPORTED for a fact of a newer Freshet, EVENT_INVALID for a damaged one. */
export function decodeFact(block: Uint8Array): Fact {
  const type = (Object.keys(FACTS) as Fact['type'][]).find((name) => FACTS[name].number === block[0])
  const former = type === undefined ? undefined : FORMER[type]?.find(({ version }) => version === block[1])
  if (type !== undefined && former !== undefined) return { type, ...former.decode(block.subarray(2)) } as Fact
  if (type === undefined || FACTS[type].version !== block[1]) {
    throw new FreshetError('VERSION_UNSUPPORTED', `fact type ${block[0]} version ${block[1]} is not known`)
  }
  return { type, ...decodeRecord(FACTS[type].body as Codec<object>, block.subarray(2)) } as Fact
}

function hexOf<Hex extends string>(toHex: (bytes: Uint8Array) => Hex): Codec<Hex> {
  return {
    preencode: (state, value) => fixed32.preencode(state, Buffer.from(value, 'hex')),
    encode: (state, value) => fixed32.encode(state, Buffer.from(value, 'hex')),
    decode: (state) => toHex(fixed32.decode(state)),
  }
}
