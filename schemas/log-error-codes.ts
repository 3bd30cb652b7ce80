/** Codes of what can be wrong with channels, their releases and their logs. The rest, and what codes are: errors.ts. */
import type { ErrorEntry } from './error-entry.ts'

export const LOG_ERROR_CODES = {
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
  RELEASE_BREAKS: {
    means:
      'packages would become uninstallable with a release, which was refused as it was asked to be; nothing was appended',
    remedy: 'the reason names what is missing or in conflict: mend that, or publish without --refuse-broken',
  },
  PLAN_IMPOSSIBLE: {
    means: 'there is no way to install what was asked for',
    remedy: 'the reason names what stands against it; another version, --allow-remove or another release may help',
  },
  STATUS_INVALID: {
    means: 'the status file of dpkg cannot be read, is malformed or too large',
    remedy: 'name another with --status FILE; until then nothing is known of what this machine has',
  },
  SET_UNKNOWN: {
    means: 'the metadata document has no known-good set of this name',
    remedy: 'see freshet meta get CHANNEL set; plan ... --empty --save NAME makes one',
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
  ROLLOUT_REFUSED: {
    means: 'a release cannot be offered so: its share only grows, and what is halted is resumed first',
    remedy: 'freshet rollout CHANNEL shows what holds; freshet halt takes a release back from those who do not have it',
  },
  ROLLOUTS_FULL: {
    means: 'a channel holds back as many releases as it can',
    remedy: 'offer the older ones to everybody: freshet rollout CHANNEL RELEASE --share 100%',
  },
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
  CONFLICT_UNKNOWN: {
    means: 'a register of the metadata document is not in conflict, or nobody said this value',
    remedy: 'freshet meta conflicts CHANNEL shows what is to be settled; freshet meta set says anything else',
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
  UPSTREAM_PASSED: {
    means: 'the upstream of a fork has passed to other signers, and so goes on as another log',
    remedy: 'freshet fork ID NAME makes a fork of the successor; this one stays on the last release of the old log',
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
} as const satisfies Record<string, ErrorEntry>
