/**
 * The one error class and the table of its codes; those of logs are in log-error-codes.ts, and can be had from here.
 *
 * Codes are forever: they cross the wire, appear in `--json` output and are what scripts match on. Messages may change.
 * The table says what each code means; the message of an instance says what is wrong and where; `remedy` says what to do.
 */
import type { ErrorEntry } from './error-entry.ts'
import { LOG_ERROR_CODES } from './log-error-codes.ts'

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
  ...LOG_ERROR_CODES,
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
} as const satisfies Record<string, ErrorEntry>

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
