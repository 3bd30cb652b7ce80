/**
 * What an audit of a channel says: the verdict, each thing that does not hold with its position, and what could not be checked.
 *
 * Codes are forever, like those of schemas/errors.ts: they are what scripts match on. Messages may change.
 */

/** Of things that were checked and are false. */
export const AUDIT_FAULTS = {
  // The log as a signed tree
  MANIFEST_WRONG: 'the signer set does not belong to the key of the channel, or is weaker than it looks',
  BLOCK_UNREADABLE: 'a block cannot be read from this disk',
  BLOCK_CHANGED: 'a block is not what the signed Merkle tree says',
  HEAD_UNSIGNED: 'the newest head is not signed by the signers of the channel',
  HEAD_REWRITTEN: 'the log does not continue the newest head that this node ever accepted',
  // Events and their order
  EVENT_INVALID: 'a block cannot be decoded or breaks a bound',
  EVENT_UNKNOWN: 'a block holds an event of a kind that this version cannot check',
  ORDER_WRONG: 'a block stands where no such block belongs',
  // The chain of releases
  CHAIN_BROKEN: 'a release does not follow from the one before',
  RELEASE_HEAD_WRONG: 'the head before a release is not the head of the log there, or is not signed',
  CHAPTER_WRONG: 'a chapter does not list exactly the releases, chapters, tags and positions before it',
  CHECKPOINT_WRONG: 'a checkpoint is not the state of its index file',
  GATHERING_WRONG: 'a copy of a stanza is not the stanza, or a chapter names other gatherings than there are',
  ROOTS_WRONG: 'a piece root is named twice, differently, or for a file that the release does not have',
  NOTE_WRONG: 'a note does not follow from what stands before it',
  // What a fork stands on
  UPSTREAM_WRONG: 'a fork, or a release of it, does not stand on a release that its upstream has',
  CURATION_WRONG: 'what a fork says it changes cannot be read, or stands elsewhere than its release says',
  CURATION_NOT_FOLLOWED: 'a release of a fork is not what its curation makes of the upstream release that it stands on',
  METADATA_WRONG: "the metadata document does not come out of its maintainers' logs as the log states",
  // Index files
  SCRIPT_INVALID: 'an edit script does not fit the release before',
  STANZA_INVALID: 'a stanza that a release brings is not a package',
  INDEX_FILE_WRONG: 'an edit script does not reproduce the size and SHA-256 of its index file',
  INDEX_FILE_UNSIGNED: 'the signed InRelease does not name an index file with this size and SHA-256',
  IN_RELEASE_INVALID: 'an InRelease is malformed, or its dates are not those of the release',
  IN_RELEASE_FORGED: 'the OpenPGP signature of an InRelease does not hold',
  VERDICT_WRONG:
    'what a release says about which packages cannot be installed is not what comes out of its index files',
  // The look-up index
  LOOKUP_HEAD_WRONG: 'the look-up index that a release names is not the one that the log gives',
  LOOKUP_ENTRY_WRONG: 'an entry of the look-up index is not the one that the log gives',
  LOOKUP_BLOCK_CHANGED: 'a block of the look-up index is not what its signed Merkle tree says',
  // Files of the pool
  ARTIFACT_CHANGED: 'a file of the pool does not have the SHA-256 that is its name',
  ARTIFACT_ROOT_WRONG: 'a file of the pool does not have the piece root that the log states',
  ARTIFACT_SIZE_WRONG: 'a file of the pool does not have the size that its stanza states',
} as const

export type AuditFaultCode = keyof typeof AUDIT_FAULTS

/** Of things that nobody could check here; they make an audit incomplete, not false. */
export const AUDIT_GAPS = {
  BLOCKS_MISSING: 'blocks are not on this disk, and no peer gave them',
  IN_RELEASE_KEY_UNKNOWN: 'no keyring has the key that signed an InRelease',
  VERDICT_OTHER_RULES: 'what a release says about which packages cannot be installed was decided by another version',
  CHECK_STOPPED: 'what stands after a fault could not be checked because of it',
} as const

export type AuditGapCode = keyof typeof AUDIT_GAPS

/** Where; only what applies is there. */
export interface AuditPosition {
  /** Block of the release log (with LOOKUP_* codes: of the look-up index). */
  readonly block?: number
  readonly release?: number
  /** Index file, below dists/SUITE/. */
  readonly path?: string
  /** Ordinal of a stanza: in its block for STANZA_INVALID, in its index file for INDEX_FILE_WRONG (where the release began to differ). */
  readonly stanza?: number
  /** SHA-256 of an artifact. */
  readonly digest?: string
  /** Entry of the look-up index. */
  readonly key?: string
}

export interface AuditFault extends AuditPosition {
  readonly code: AuditFaultCode
  readonly message: string
}

export interface AuditGap extends AuditPosition {
  readonly code: AuditGapCode
  readonly message: string
}

export interface AuditSigner {
  /** Of the OpenPGP primary key. */
  readonly fingerprint: string
  readonly releases: number
  /** The key that the channel names itself: it says that the publisher signed, and nothing about a distribution. */
  readonly channelKey: boolean
}

export interface AuditReport {
  /** Everything that was asked for was checked, and holds. */
  readonly ok: boolean
  readonly id: string
  /** Releases whose chain, signatures and contents were walked through. */
  readonly releases: number
  /** The first and the newest release of them; 0: there is none. */
  readonly first: number
  readonly last: number
  /** Those whose index files and look-up entries were checked too: all, or a sample. */
  readonly sample: { readonly seed: string; readonly releases: readonly number[] } | null
  /** Blocks and bytes of the log, whose Merkle tree was built again. */
  readonly blocks: number
  readonly logBytes: number
  /** Bytes of index files that were reproduced. */
  readonly indexBytes: number
  /** Blocks of the look-up index, all compared; 0: it was not got to. */
  readonly lookupBlocks: number
  /** Files of the pool that were hashed; null: not asked for. */
  readonly artifacts: { readonly files: number; readonly bytes: number } | null
  readonly signers: readonly AuditSigner[]
  /** In the order of the log, then the look-up index, then the pool. The first is the first thing that does not hold. */
  readonly failures: readonly AuditFault[]
  /** Found beyond AUDIT_FAULTS_MAX, and not listed. */
  readonly failuresMore: number
  readonly unchecked: readonly AuditGap[]
  readonly elapsedMs: number
  readonly releasesPerSecond: number
  /** Index file bytes reproduced, over the time that walking the releases took. */
  readonly indexBytesPerSecond: number
}
