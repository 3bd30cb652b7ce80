/**
 * The one error class and the table of its codes.
 *
 * Codes are forever: they cross the wire, appear in `--json` output and are what scripts match on. Messages may change.
 * The table says what each code means; the message of an instance says what is wrong and where; `remedy` says what to do.
 */

interface CodeEntry {
  readonly means: string
  readonly remedy: string
}

export const ERROR_CODES = {
  // Debian text
  STANZA_NO_PACKAGE: { means: 'a stanza has no Package field', remedy: 'ask the publisher of the index to mend it' },
  STANZA_FIELD_DUPLICATE: {
    means: 'a stanza names a field twice',
    remedy: 'ask the publisher of the index to mend it',
  },
  STANZA_FIELD_INVALID: {
    means: 'a field of a stanza is missing or malformed',
    remedy: 'ask the publisher of the index to mend it',
  },
  STANZA_TOO_LARGE: {
    means: 'a stanza is larger than STANZA_BYTES_MAX',
    remedy: 'ask the publisher of the index to mend it',
  },
  STANZA_MALFORMED: {
    means: 'a line is neither a field nor a continuation',
    remedy: 'ask the publisher of the index to mend it',
  },
  RELATION_INVALID: {
    means: 'a relation field (Depends, Conflicts, Provides, ...) of a package cannot be parsed',
    remedy: 'ask the maintainer of the package to mend it; no other package is affected',
  },
  FILENAME_UNSAFE: {
    means: 'a Filename is absolute, contains .. or control characters',
    remedy: 'do not use this repository until its owner has explained it',
  },
  INDEX_MISMATCH: {
    means: 'an index differs from the size or SHA-256 in the signed Release',
    remedy: 'run apt-get update, or try another mirror: this one may be in the middle of a sync',
  },
  INDEX_TOO_LARGE: { means: 'an index has more bytes or stanzas than the bound', remedy: 'do not import this index' },
  INDEX_MISSING: {
    means: 'no index that this import could use was found',
    remedy: 'check the suite, component and architecture',
  },
  RELEASE_MALFORMED: {
    means: 'a Release or InRelease file cannot be parsed',
    remedy: 'check that the URL and suite name a Debian repository',
  },
  RELEASE_EXPIRED: {
    means: 'the Valid-Until of a Release file has passed',
    remedy: 'fetch a newer one, or pass --allow-expired for an archived snapshot',
  },
  SIGNATURE_MISSING: {
    means: 'an InRelease is not clear-signed',
    remedy: 'check that the file is an InRelease; unsigned repositories are not imported',
  },
  SIGNATURE_BAD: {
    means: 'an OpenPGP signature does not match the text',
    remedy: 'the file was altered: fetch it again from another place',
  },
  SIGNATURE_UNKNOWN: {
    means: 'no signature was made by a key of the keyring',
    remedy: "pass the repository's own keyring with --keyring FILE",
  },
  SIGNATURE_EXPIRED: {
    means: 'the signature or the key that made it has expired',
    remedy: 'update the keyring package, or fetch a newer release',
  },
  SIGNATURE_REFUSED: {
    means: 'the only signatures were made by a revoked key, or with a broken hash or a weak key',
    remedy: 'ask the owner of the repository to sign it anew; nothing of it was used',
  },
  KEYRING_INVALID: {
    means: 'a keyring cannot be read or holds no key',
    remedy: 'give an OpenPGP public keyring, binary or ASCII-armoured',
  },
  DEB_MALFORMED: { means: 'a file is not a whole Debian binary package', remedy: 'fetch or build the .deb again' },
  ARTIFACT_MISMATCH: {
    means: 'a file differs from the size or SHA-256 that its index states',
    remedy: 'fetch the file again',
  },
  ARCHIVE_LIMIT: { means: 'a compressed file unpacks to more than its bound', remedy: 'do not use this file' },
  IMPORT_TOO_LARGE: {
    means: 'an import would download more than it was allowed to',
    remedy: 'pass --metadata-only, or raise --bytes-max',
  },
  SOURCE_UNAVAILABLE: { means: 'a file or URL to import from cannot be read', remedy: 'check the path or URL' },
  VERSION_REUSE: {
    means: 'a name, version and architecture came back with other bytes',
    remedy: 'give the changed package a new version',
  },
  // Channels, releases, log
  CHANNEL_UNKNOWN: {
    means: 'no channel of this name or id is known here',
    remedy: 'freshet channel list shows the known ones',
  },
  CHANNEL_EXISTS: { means: 'a channel of this name exists already', remedy: 'choose another name' },
  CHANNEL_NAME_INVALID: { means: 'a channel name is not [a-z0-9][a-z0-9+._-]{0,63}', remedy: 'choose another name' },
  CHANNEL_ID_INVALID: { means: 'an id is not a z-base-32 key', remedy: 'copy the id that channel create printed' },
  CHANNEL_READ_ONLY: {
    means: 'this node does not hold the key of the channel',
    remedy: 'import on the machine that created the channel',
  },
  RELEASE_UNKNOWN: { means: 'the channel has no such release', remedy: 'freshet releases CHANNEL shows the history' },
  PACKAGE_UNKNOWN: {
    means: 'the snapshot, or any release of the channel, has no such package or version',
    remedy: 'check name, version and architecture',
  },
  PACKAGE_AMBIGUOUS: { means: 'several packages match', remedy: 'add =VERSION or :ARCH' },
  COMPARISON_TOO_LARGE: {
    means: 'two snapshots differ in more packages than can be compared at once',
    remedy: 'compare releases that are closer to each other',
  },
  PACKAGES_BROKEN: {
    means: 'a release has packages that cannot be installed',
    remedy: 'the reasons name what is missing or in conflict: mend that, or take the packages out',
  },
  PLAN_IMPOSSIBLE: {
    means: 'there is no way to install what was asked for',
    remedy: 'the reason names what stands against it; another version, --allow-remove or another release may help',
  },
  STATUS_INVALID: {
    means: 'a file is not the status file of dpkg, or a stanza of it cannot be read',
    remedy: 'give the status file with --status FILE, or --empty for a machine that has nothing',
  },
  SOLVER_GAVE_UP: {
    means: 'whether packages can be installed together could not be decided within the bound',
    remedy: 'ask for fewer packages at once, or name their versions',
  },
  NO_RELEASE: { means: 'the channel has no release yet', remedy: 'wait for the publisher, or import one' },
  EVENT_INVALID: {
    means: 'a block of the log cannot be decoded or breaks a bound',
    remedy: 'the publisher must repair its software; nothing was applied',
  },
  INDEX_INVALID: {
    means: "a channel's look-up index does not decode, breaks a bound or is not the one that its release names",
    remedy: 'the publisher must repair its software; snapshots do not depend on the index',
  },
  TAG_EXISTS: { means: 'a tag of this name was given already', remedy: 'choose another name: tags are never moved' },
  TAGS_FULL: {
    means: 'a channel has as many tags as a channel may have',
    remedy: 'release numbers name a release too',
  },
  TAG_INVALID: { means: 'a tag is not [A-Za-z][A-Za-z0-9._+-]{0,63}', remedy: 'choose another name' },
  PACKAGE_WITHDRAWN: {
    means: 'the publisher took this version back',
    remedy: 'take another one; CHANNEL@WHEN of a release that holds it gives it all the same',
  },
  WITHDRAWN_ALREADY: { means: 'this version was withdrawn already', remedy: 'none: it is said once, and for ever' },
  WITHDRAWN_FULL: { means: 'the channel has withdrawn as many versions as it can', remedy: 'none' },
  METADATA_INVALID: {
    means: 'a register of the metadata document cannot be called so, or cannot hold this',
    remedy: 'README.md lists the registers and what each may hold',
  },
  METADATA_FULL: {
    means: 'the metadata document, or one change of it, exceeds its bound',
    remedy: 'delete what is of no use any more; the publisher can remove a maintainer who fills it',
  },
  METADATA_MISMATCH: {
    means: 'the metadata of a channel comes out otherwise than its publisher states',
    remedy: 'nothing of it is used; freshet audit CHANNEL tells more',
  },
  MAINTAINER_UNKNOWN: {
    means: 'this key is not one of the maintainers of the channel',
    remedy: 'freshet maintainer invite CHANNEL there, and give its key to the publisher, who adds it',
  },
  MAINTAINER_EXISTS: {
    means: 'this key is, or was, a maintainer of the channel',
    remedy: 'whoever was removed comes back with a new key, from another home',
  },
  MAINTAINER_REMOVED: {
    means: 'this maintainer was removed',
    remedy: 'ask the publisher; what was written stays here',
  },
  MAINTAINER_INVALID: {
    means: 'a key, or a number of changes, cannot be that of a maintainer of this channel',
    remedy: 'freshet maintainer list CHANNEL shows keys and changes; the key is what freshet maintainer invite printed',
  },
  MAINTAINERS_FULL: { means: 'the channel had as many maintainers as it can have', remedy: 'none' },
  CHANGE_FORGED: {
    means: "a change of the metadata is not what its author's log may hold there",
    remedy: 'nothing of it and of what follows it is used; the publisher can remove its author',
  },
  CHANGE_AFTER_REMOVAL: {
    means: 'a change of the metadata was made after its author was removed',
    remedy: 'it does not count; the publisher can let more changes of that author count',
  },
  MIRROR_INVALID: {
    means: 'a URL cannot name a mirror: not http(s), with a password, query or fragment, or too long',
    remedy: 'give the URL of the folder that holds dists/ and pool/',
  },
  MIRROR_UNKNOWN: { means: 'the channel has no such mirror', remedy: 'freshet mirror list CHANNEL shows them' },
  MIRRORS_FULL: {
    means: 'a channel has as many mirrors as it may have, or changed them too often since its last chapter',
    remedy: 'remove one first, and name several in one command',
  },
  VERSION_UNSUPPORTED: { means: 'a record was written by a newer Freshet', remedy: 'update Freshet' },
  HISTORY_REWRITE: {
    means: 'a publisher truncated or rewrote its log',
    remedy: 'ask the publisher; the last good snapshot is still served',
  },
  EQUIVOCATION: {
    means: 'the key of a channel signed two histories that cannot both be true',
    remedy: 'ask the publisher, and show the evidence file; the last good snapshot is still served',
  },
  EVIDENCE_INVALID: {
    means: 'an evidence file is malformed or proves nothing',
    remedy: 'do not rely on it: ask whoever gave it to you for the file as their node kept it',
  },
  HEAD_ROLLBACK: {
    means: 'the stored log is shorter than the newest head this node accepted',
    remedy: 'connect to peers so that the missing part is fetched again',
  },
  MANIFEST_WEAK: {
    means: "a channel's signers repeat or its quorum is not a majority",
    remedy: 'do not follow this channel',
  },
  QUORUM_NEEDED: {
    means: 'the channel has several signers: a release must be prepared, signed and committed',
    remedy: 'pass --request FILE, have it signed with freshet sign, then freshet commit',
  },
  QUORUM_SHORT: {
    means: 'fewer signers have signed than the channel asks for',
    remedy: 'collect the missing signature files and commit with all of them',
  },
  SIGNATURE_WRONG: {
    means: 'a signature file does not sign what is prepared, or its signature does not hold',
    remedy: 'ask the named signer to sign the newest request again; nothing was appended',
  },
  SIGNER_UNKNOWN: { means: 'a key is not among the signers of the channel', remedy: 'use the key file of a signer' },
  SIGNER_KEY_INVALID: {
    means: 'a file is not the private key of a signer, or a text is not the public one',
    remedy: 'use what freshet signer create wrote and printed',
  },
  REQUEST_INVALID: {
    means: 'a request or signature file is damaged or contradicts itself',
    remedy: 'do not sign it; ask the publisher to write it again',
  },
  REQUEST_STALE: {
    means: 'nothing that these signatures belong to is prepared: the channel has moved on or was prepared anew',
    remedy: 'import with --request again and have that signed',
  },
  RELEASE_PREPARED: {
    means: 'something else is prepared for this channel and waits for signatures',
    remedy: 'commit it, or pass --replace to prepare this instead: signatures collected so far are then worthless',
  },
  SIGNED_OTHER: {
    means: 'this key has signed another continuation of the same log',
    remedy: 'find out which is right; --replace signs this one too, and both together would fork the channel',
  },
  ROTATION_INVALID: {
    means: 'a channel cannot pass to the successor that it names, or has passed to one already',
    remedy: 'ask the publisher; what was served stays served',
  },
  UPSTREAM_MISMATCH: {
    means: 'a fork stands on a release that the log of its upstream does not have',
    remedy: 'do not use it: the fork or its upstream shows different logs to different people',
  },
  FORK_CYCLE: {
    means: 'the upstreams of a fork lead back to it, or are more than UPSTREAMS_MAX',
    remedy: 'do not follow it: nothing can be built from it',
  },
  NOT_A_FORK: { means: 'the channel has no upstream', remedy: 'freshet fork CHANNEL NAME makes a fork of it' },
  CURATION_REFUSED: { means: 'a change does not fit what upstream has', remedy: 'freshet fork status NAME shows both' },
  PUBLISH_BEHIND: {
    means: 'this publisher is behind its own durable record or its peers',
    remedy: 'start the daemon and let it catch up before importing',
  },
  SNAPSHOT_MISMATCH: {
    means: 'a rebuilt index differs from the signed one',
    remedy: 'the publisher made a bad release; the one before is still served',
  },
  SNAPSHOT_INCOMPLETE: {
    means: 'files of a snapshot could not be had',
    remedy: 'run it again when a peer has them: it resumes; --allow-missing does without them',
  },
  SNAPSHOT_FOREIGN: {
    means: 'a folder to write a snapshot to holds something else',
    remedy: 'give an empty folder, or one that this channel was written to before',
  },
  AUDIT_FALSE: {
    means: 'an audit found something that is not what the log and its signatures say',
    remedy: 'do not rely on this copy: fetch it anew from peers, and show the report to the publisher when it stays',
  },
  AUDIT_INCOMPLETE: {
    means: 'something could not be checked, and nothing that could be was found false',
    remedy: 'start the daemon so that peers give missing blocks; name missing keys with --keyring FILE',
  },
  // Store
  STORE_LOCKED: { means: 'another process uses this home', remedy: 'stop it, or give another --home' },
  STORE_COPIED: {
    means: 'this home is a copy of another one',
    remedy: 'a copied publisher would fork its channel: use the original',
  },
  STORE_FAILED: {
    means: 'the store failed and must be opened again',
    remedy: 'look at the named file and errno; the daemon reopens by itself',
  },
  DISK_FULL: {
    means: 'no space is left on the device',
    remedy: 'free some space; nothing that was acknowledged is lost',
  },
  IO_ERROR: { means: 'a read or write failed', remedy: 'look at the named file and errno' },
  POOL_CORRUPT: {
    means: 'a file of the pool no longer has its digest',
    remedy: 'it was set aside and will be fetched again',
  },
  ARTIFACT_NOT_HELD: { means: 'the pool does not hold an artifact, or not yet this part of it', remedy: 'fetch it' },
  // Peers
  MESSAGE_MALFORMED: {
    means: 'a peer sent a message that breaks its format or a bound',
    remedy: 'none: the connection was closed',
  },
  FRAME_REFUSED: {
    means: 'a peer sent a frame that is too large or nested',
    remedy: 'none: the connection was closed',
  },
  CHANNEL_QUOTA: { means: 'a peer opened too many protocol channels', remedy: 'none: the connection was closed' },
  PEER_NOT_READING: { means: 'a peer asks but does not read', remedy: 'none: the connection was closed' },
  PEER_SLOW: { means: 'a peer did not answer in time', remedy: 'none: another peer is asked' },
  PEER_LEFT: { means: 'a peer closed its connection', remedy: 'none: another peer is asked' },
  PEER_BUSY: { means: 'a peer has too much to do at the moment', remedy: 'none: it is asked again' },
  PIECE_MISMATCH: { means: 'a peer sent bytes that are not the ones asked for', remedy: 'none: another peer is asked' },
  MIRROR_UNREACHABLE: {
    means: 'an HTTP mirror cannot be reached, or its answer broke off',
    remedy: 'none: another one is asked',
  },
  MIRROR_REFUSED: {
    means: 'an HTTP mirror answers with an error, or with something else than what was asked for',
    remedy: 'none: another one is asked',
  },
  MIRROR_SLOW: { means: 'an HTTP mirror did not send enough in time', remedy: 'none: another one is asked' },
  ARTIFACT_UNAVAILABLE: {
    means: 'no reachable peer or mirror has the artifact',
    remedy: 'wait for a peer that has it; the daemon keeps trying when asked again',
  },
  NO_PEERS: {
    means: 'no peer of the channel is reachable',
    remedy: 'check the network, --bootstrap, and that a publisher or follower is running',
  },
  // Config
  CONFIG_INVALID: {
    means: "a node's config file, or a value for it, has something that no setting can be",
    remedy: 'mend the line that is named, or set it with freshet config set NAME VALUE; nothing was changed',
  },
  FETCH_OFF: {
    means: "this node's config does not let it fetch at the moment",
    remedy: 'freshet status names the setting, freshet config set changes it',
  },
  // Subscriptions and notifications
  FILTER_INVALID: {
    means: 'a filter of a subscription names something that no package can have, or too much',
    remedy: 'see freshet subscription set --help; nothing was changed',
  },
  GLOB_INVALID: {
    means: 'a glob is not of letters, digits and +.-, with * and ?',
    remedy: "write it as 'lib*' or 'python3-?', in quotes; nothing was changed",
  },
  STATUS_FILE_INVALID: {
    means: 'a dpkg status file cannot be read, is malformed or too large',
    remedy: 'name another with --status FILE; until then nothing is known of what this machine has',
  },
  WEBHOOK_INVALID: {
    means: 'a URL cannot be a webhook: not http(s), with a user or fragment, or too long',
    remedy: 'give the URL that takes the POST; nothing was changed',
  },
  HOOK_INVALID: {
    means: 'a hook is not the absolute path of an executable file',
    remedy: 'give a program; it is run without a shell; nothing was changed',
  },
  TARGET_UNKNOWN: { means: 'no such target of notifications is known here', remedy: 'freshet deliver list shows them' },
  TARGETS_FULL: { means: 'notifications go to as many targets as they may', remedy: 'remove one first' },
  HOOK_FAILED: {
    means: 'a hook could not be run, or ended with another code than 0',
    remedy: 'run it by hand; it is tried again',
  },
  HOOK_TIMEOUT: {
    means: 'a hook did not end in time and was killed',
    remedy: 'let it hand long work to something else',
  },
  WEBHOOK_FAILED: {
    means: 'a webhook cannot be reached or answers with another status than 2xx',
    remedy: 'look at the server; it is tried again',
  },
  DESKTOP_ABSENT: {
    means: 'there is no notify-send on the PATH of the daemon',
    remedy: 'install libnotify-bin, or remove the target',
  },
  DELIVERY_OVERFLOW: {
    means: 'a target could not be reached for so long that the oldest of its notifications are no longer kept',
    remedy: 'freshet diff shows what changed between any two releases',
  },
  // Local interfaces
  PATH_INVALID: {
    means: 'a request path is malformed or outside the channel',
    remedy: 'use /CHANNEL[@WHEN]/dists/... or /CHANNEL[@WHEN]/pool/...',
  },
  NOT_FOUND: { means: 'the release has no such file', remedy: 'check the path' },
  REQUEST_REFUSED: {
    means: 'a request breaks a rule of the gateway or of the control socket',
    remedy: 'see the message',
  },
  ADDRESS_IN_USE: {
    means: 'another program listens on this address and port',
    remedy: 'stop it, or choose another port',
  },
  DAEMON_UNREACHABLE: { means: 'the daemon does not answer on its socket', remedy: 'start it with freshet start' },
  BISECT_RANGE: {
    means: 'the good release of a bisection is not older than the bad one',
    remedy: 'freshet releases CHANNEL shows the order',
  },
  BISECT_UNVERIFIED: {
    means: 'the command does not confirm the good or the bad release of a bisection',
    remedy: 'check the command and both releases; --no-verify skips this',
  },
  BISECT_UNDECIDED: {
    means: 'the releases that could be the first bad one cannot be tested',
    remedy: 'make the command able to test one of them, or compare the two releases that it names',
  },
  COMMAND_FAILED: {
    means: 'a command that Freshet was to run did not start, or was ended by a signal',
    remedy: 'try the command by itself',
  },
  USAGE: { means: 'wrong use of the command line', remedy: 'freshet COMMAND --help' },
  INTERRUPTED: { means: 'the command was interrupted', remedy: 'run it again: it resumes' },
  INTERNAL: { means: 'a defect of Freshet', remedy: 'please report it with the message' },
} as const satisfies Record<string, CodeEntry>

export type ErrorCode = keyof typeof ERROR_CODES
export type ErrorDetail = Readonly<Record<string, string | number | boolean | null>>

/** Everything Freshet refuses or fails at. `detail` holds small named values: where, which, how many. */
export class FreshetError extends Error {
  readonly code: ErrorCode
  readonly detail: ErrorDetail

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'FreshetError'
    this.code = code
    this.detail = detail
  }

  get remedy(): string {
    return ERROR_CODES[this.code].remedy
  }

  toJSON(): { code: ErrorCode; message: string; detail: ErrorDetail; remedy: string } {
    return { code: this.code, message: this.message, detail: this.detail, remedy: this.remedy }
  }
}

/** @returns `error` itself when it has a code of ours, else an INTERNAL one that keeps it as cause. */
export function asFreshetError(error: unknown): FreshetError {
  if (error instanceof FreshetError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new FreshetError('INTERNAL', message, {}, error)
}
