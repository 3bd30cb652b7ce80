/**
 * Facts that a node records about itself. Its machines are folds of these; nothing here is ever sent to a peer.
 *
 * Written and read by: actors/session.ts through store/journal.ts. A block of the journal is one fact: type, version, body.
 * Keys and digests are hex, because facts become events and context of machines. Types are only appended, never renumbered.
 */
import { decodeRecord, encodeRecord, fixed32, formerly, list, nullable, oneOf, struct, text, uint } from './codec.ts'
import type { Codec, FormerVersion, Infer } from './codec.ts'
import { FreshetError } from './errors.ts'
import { fetchReport } from './fetch-report.ts'
import * as limits from './limits.ts'
import { digestHex, keyHex } from './units.ts'
import type { DigestHex, KeyHex } from './units.ts'

const key = hexOf<KeyHex>(keyHex)
const digest = hexOf<DigestHex>(digestHex)
const code = text(limits.CODE_BYTES_MAX)

/** This node holds the signing key of a channel ('publisher') or follows it ('follower'). */
const channelAdded = struct({
  key,
  name: text(limits.CHANNEL_NAME_BYTES_MAX),
  role: oneOf(['publisher', 'follower']),
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
} as const

/** Versions that are read and no longer written. */
const FORMER: { readonly [Type in Fact['type']]?: readonly FormerVersion[] } = {
  'artifact.wanted': [formerly(1, artifactWantedOfVersion1, (old) => ({ ...old, path: null, block: 0 }))],
  'artifact.kept': [formerly(1, artifactKeptOfVersion1, (old) => ({ ...old, report: null }))],
  'artifact.unavailable': [formerly(1, artifactUnavailableOfVersion1, (old) => ({ ...old, report: null }))],
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
