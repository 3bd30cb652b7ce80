/**
 * Every bound of the system in one place: what it limits, its unit, and why this value.
 * A bound that only one protocol or file knows is a bound nobody can review.
 * Those of the gateway, the control socket and the talk with peers are in wire-limits.ts, those of the metadata document in
 * metadata-limits.ts, those of subscriptions and notifications in notice-limits.ts, those of the solver in solver-limits.ts; all can
 * be had from here.
 */
/** Of the metadata document. */
export * from './metadata-limits.ts'
/** Of subscriptions and notifications. */
export * from './notice-limits.ts'
/** Of machines and the solver. */
export * from './solver-limits.ts'
/** Of what travels. */
export * from './wire-limits.ts'

const KIB = 1024
const MIB = 1024 * KIB

// What is written down
/** Plain text per `stanzas` block. Large enough to compress well, small enough to fetch a few stanzas cheaply. */
export const STANZAS_BLOCK_BYTES_MAX = 256 * KIB
/** One stanza. The largest of Debian 12 main has 27 KiB; a stanza must fit in a block of its own. */
export const STANZA_BYTES_MAX = 1 * MIB
/** Groups of one relation field (`a, b | c` has two). Debian 12's longest field has 1,603 of them. */
export const RELATION_GROUPS_MAX = 16_384
/** Alternatives of one group. Debian 12's longest has 14. */
export const RELATION_ALTERNATIVES_MAX = 1_024
/** Fields per stanza. Debian's richest has fewer than 40. */
export const STANZA_FIELDS_MAX = 256
/** One encoded block of the log (Hypercore refuses 15 MiB and more). */
export const EVENT_BYTES_MAX = 8 * MIB
/** Plain size of one index file; Debian 12 main is 50 MB. Bounds memory of a rebuild. */
export const INDEX_BYTES_MAX = 512 * MIB
/** Index files per release: components x architectures. */
export const INDEXES_MAX = 1024
/** A verbatim InRelease; Debian's has 151 kB. */
export const IN_RELEASE_BYTES_MAX = 2 * MIB
/** Stanzas in one index file. */
export const STANZAS_MAX = 2_000_000
/** Stanzas over all index files of one snapshot: bounds the memory of a folded history. Debian with ten architectures: 0.7 million. */
export const SNAPSHOT_STANZAS_MAX = 4_000_000
/** A moment in Unix milliseconds: 48 bits, the year 10889. JavaScript cannot print a later one, and the index has 48-bit keys. */
export const TIME_MS_MAX = 2 ** 48 - 1
/** Artifacts whose piece roots one block may carry: 64 bytes each, within EVENT_BYTES_MAX. The publisher keeps both lists of a
 * release below it together; Debian main of one architecture has some 48,000 files of several blocks. */
export const ARTIFACT_ROOTS_MAX = 120_000
/** Releases of one chapter: the most edit scripts between a checkpoint and any release. A constant of the format. */
export const CHAPTER_RELEASES = 64
/** Packed blocks kept in memory while an index is rebuilt; those of Debian main take some 15 MB, in a long history 45. */
export const REBUILD_PACKED_BYTES_MAX = 64 * MIB
/** Unpacked runs of one checkpoint: STANZAS_MAX runs take some 16 MB. */
export const PACKED_RUNS_BYTES_MAX = 32 * MIB
/** Logs above a fork: a fork of a fork of a fork is as far as anybody has gone, and every one more is a log to replicate. */
export const UPSTREAMS_MAX = 8
/** Packages that one fork adds, replaces, pins or leaves out: a third of Debian main, some 20 bytes each in the log. */
export const CURATED_MAX = 20_000
/** Chapters of one log: a million releases. Each chapter lists the positions of all before it. */
export const CHAPTERS_MAX = 16_384
/** Checkpoints that a chapter lists: the parts of all its index files, CHECKPOINT_PART_BYTES each. */
export const CHECKPOINT_BLOCKS_MAX = 16_384
/** One part of a packed checkpoint: who follows fetches some with each release, so that none brings much more than another. */
export const CHECKPOINT_PART_BYTES = 32 * KIB
/**
 * A block with less living text than this is thin: a quarter of a full one. Bounds the blocks of a rebuild to four for each
 * full one; copying costs a sixth of what releases add (computed for Debian main).
 */
export const THIN_BLOCK_BYTES = STANZAS_BLOCK_BYTES_MAX / 4
/** One chapter gathers at most this part of a snapshot's text, thinnest blocks first: 6 MB of Debian main, a fifth of a second. */
export const GATHERED_PART = 1 / 8
/** Blocks of copies that one gathering describes: 4 GiB of text. */
export const GATHERED_BLOCKS_MAX = 16_384
/** Gatherings in use. Debian main has some ten, each from another chapter. */
export const GATHERINGS_MAX = 1_024
/** Copies over all gatherings in use: memory of whoever looks them up. */
export const GATHERED_STANZAS_MAX = 4_000_000
/** A rebuild that lacks no more blocks than this looks for no copies: the next release of a follower lacks one to three. */
export const UNGATHERED_BLOCKS_MAX = 16
/** Tags of one channel; every chapter repeats them all. */
export const TAGS_MAX = 4_096
/** Name of a tag; it is also a path segment of the gateway. */
export const TAG_BYTES_MAX = 64
/** HTTP mirrors of one channel; every chapter repeats them all. The largest distributions name some hundred, and a reader uses a few. */
export const MIRRORS_MAX = 64
/** Base URL of a mirror. */
export const MIRROR_URL_BYTES_MAX = 1024
/** Versions that one channel ever withdrew; every chapter repeats them all. */
export const WITHDRAWN_MAX = 4_096
/** Why a version was withdrawn, or a release halted: two lines of text. */
export const REASON_BYTES_MAX = 512
/** Releases of one channel that are not offered to everybody; every chapter repeats them all. */
export const ROLLOUTS_MAX = 1_024
/** Notes between two chapters: each is read by itself. All tags there may be, and as many changes of mirrors. */
export const NOTES_MAX = 2 * TAGS_MAX

/** Stanzas in one block: the text bound divided by the shortest possible stanza is far above what occurs. */
export const STANZAS_PER_BLOCK_MAX = 16_384
/** Operations of one edit script: bounds the work of a fold. */
export const EDIT_OPS_MAX = 1_000_000
/** Path of an index below dists/SUITE/. */
export const INDEX_PATH_BYTES_MAX = 255
/** Path of a suite below dists/. */
export const SUITE_BYTES_MAX = 128
/** Name of a channel; it is also a path segment of the gateway. */
export const CHANNEL_NAME_BYTES_MAX = 64
/** ASCII-armoured OpenPGP public key of a channel; an Ed25519 key has about 600 bytes. */
export const SIGNING_KEY_BYTES_MAX = 16 * KIB

// Channels with several signers
/** Signers of one channel. Each adds 65 bytes to the manifest that every follower reads, and a signature to every head. */
export const SIGNERS_MAX = 16
/** Roots of a log's Merkle tree: one for each bit of its length, and a length has at most 53 of them. */
export const TREE_ROOTS_MAX = 64
/** Blocks of one prepared release: STANZAS_MAX packed, chapters and roots stay far below. */
export const PREPARED_BLOCKS_MAX = 65_536
/** Blocks that one release writes into the look-up index: one for each put, and a first import of Debian has 48,000. */
export const PREPARED_INDEX_BLOCKS_MAX = 8_000_000
/** A file that asks for signatures: it holds the blocks of one release. A first import of Debian 12 main has 12 MB. */
export const REQUEST_BYTES_MAX = 256 * MIB
/** A file with the signatures of one signer: some 250 bytes. */
export const SIGNATURE_FILE_BYTES_MAX = 1 * KIB
/** Signature files given to one command: one for each signer, and some twice. */
export const SIGNATURE_FILES_MAX = 4 * SIGNERS_MAX
/** A signer's private key as PEM: 119 bytes, and room for comments. */
export const SIGNER_KEY_BYTES_MAX = 4 * KIB
/** Heads in the list of what one signer signed: those beyond the newest base of each channel are kept, so one or two for each. */
export const SIGNED_HEADS_MAX = 16_384
/** Successors that a name may pass to, one after the other: whoever makes more wants to fill the disk. */
export const ROTATIONS_MAX = 16

// Debian text
/** Package name; also a key of the Hyperbee index. Debian 12's longest has 75 bytes. */
export const PACKAGE_NAME_BYTES_MAX = 200
/** Version. Debian 12's longest has 52 bytes; as part of a file name it could not pass 255. */
export const VERSION_BYTES_MAX = 255
/** Path inside a repository (Filename, lines of a Release file). Debian 12's longest has 175 bytes. */
export const PATH_BYTES_MAX = 1024

// Artifacts and pieces (BEP 52)
/** Leaf of the Merkle tree (BEP 52). */
export const LEAF_BYTES = 16 * KIB
/** Piece: what is asked for, verified and kept as a unit. A power of two times LEAF_BYTES. */
export const PIECE_BYTES = 256 * KIB
/** One artifact. Debian's largest .deb has 1.5 GB. */
export const ARTIFACT_BYTES_MAX = 16 * 1024 * MIB

// Store
/** Facts in the journal at start beyond which it is compacted. Reading and folding one takes 0.2 ms. */
export const JOURNAL_FACTS_MAX = 4_000
/** Facts waiting for one write of the journal. Writes take about a millisecond; more means the disk is stuck. */
export const JOURNAL_PENDING_MAX = 10_000
/** Free space that only the store may use, and releases may not: a store write that fails half-way costs the store instance. */
export const STORE_RESERVE_BYTES = 8 * MIB
/** Wait for one block of a log from peers, in milliseconds, before the attempt is given up and made again later. */
export const BLOCK_WAIT_MS = 20_000
/** Rebuilt index files that nobody serves at the moment but that are kept on disk, the oldest go first: how many, and bytes in all. */
export const INDEX_FILES_IDLE_MAX = 64
/** Bytes of idle index files: some ten releases of Debian main. Any of them is rebuilt in about a second. */
export const INDEX_FILES_IDLE_BYTES_MAX = 512 * MIB

// Config and sharing (schemas/node-config.ts, actors/link-policy.ts)
/** A node's config file; with every setting and a page of comments it has some kilobytes. */
export const CONFIG_FILE_BYTES_MAX = 64 * KIB
/** Lowest cap, in bytes a second: a peer that is asked must deliver PIECE_WINDOW_BYTES_MIN a window, or it is given up. */
export const RATE_BYTES_PER_S_MIN = 10_000
/** Highest cap, in bytes a second: a terabit. More is a slip of the unit. */
export const RATE_BYTES_PER_S_MAX = 125_000_000_000
/** Smallest monthly budget, in bytes: less is spent by saying hello. */
export const BUDGET_BYTES_MIN = 1_000_000
/** Largest monthly budget, in bytes: a petabyte, far within what a number holds exactly. */
export const BUDGET_BYTES_MAX = 1e15
/** How long the policy of sharing holds at most, in milliseconds: the system tells nobody that a charger was pulled. */
export const LINK_LOOK_MS_MAX = 60_000
/** Time for the system to say whether the link is metered, in milliseconds; then it is unknown. */
export const LINK_FACTS_MS_MAX = 2_000
/** Power supplies looked at; a laptop has two to five, and wireless mice are among them. */
export const POWER_SUPPLIES_MAX = 64
/** Calendar months of traffic that are remembered: a clock that goes wrong for a while must not cost the count of this one. */
export const USAGE_MONTHS_MAX = 12
/** Counted traffic is written down at most this often, in milliseconds; a crash costs the count since. */
export const USAGE_WRITE_MS = 60_000

// Look-up index
/** Spans of releases that one version was in: it would have to change, or leave and come back, this often. */
export const INDEX_SPANS_MAX = 4_096
/** Packages or artifacts in one of the 16,384 buckets of the index: enough for 60 million. */
export const INDEX_BUCKET_MAX = 4_096
/** Packages that a release must add for its artifacts to be indexed by bucket: a put costs the same whatever it holds. */
export const INDEX_BULK_MIN = 4_096
/** Levels of a Hyperbee that are walked; each has at least five children, so honest ones have fewer than 20. */
export const INDEX_DEPTH_MAX = 32
/** Blocks of a Hyperbee that one look-up may read: about ten a level in an honest one. */
export const INDEX_READS_MAX = 4_096
/** Keys of one node of a Hyperbee (hyperbee 2.27 splits a node at nine). A search reads a few of them, and asks for all. */
export const INDEX_NODE_KEYS_MAX = 8
/** Versions and architectures of one package over all releases: a new one every day on ten architectures for 17 years. */
export const INDEX_VERSIONS_MAX = 65_536
/** One block of a Hyperbee: its key, its value and the tree nodes that changed with it. */
export const INDEX_BLOCK_BYTES_MAX = 1 * MIB
/** Folded snapshots of past releases kept in memory; each has a run per fragment, some megabytes for a large suite. */
export const SNAPSHOT_PLANS_MAX = 4

// Connections (protocols/)
/** One frame of a peer, and one batch we send: large enough for a 256 KiB piece part or a page of hashes with company. */
export const FRAME_BYTES_MAX = 1 * MIB
/** A single Hypercore answer may hold one block of the log and its proof; nothing else may exceed FRAME_BYTES_MAX. */
export const BLOCK_FRAME_BYTES_MAX = EVENT_BYTES_MAX + 256 * KIB
/** Blocks in one log. Hypercore fills a bitfield for any range a peer names: 2^23 blocks are 1 MiB, 2^45 the whole memory. */
export const LOG_BLOCKS_MAX = 2 ** 23
/** Protocol channels that one peer may have open or waiting: two cores and the heads of some thirty followed channels, and our own. */
export const CHANNELS_PER_PEER_MAX = 96
/** An `open` message: protocol name, id, handshake. Ours take less than 200 bytes. */
export const OPEN_BYTES_MAX = 4 * KIB
/** Opens at once, and per second after that. A peer that follows 64 channels sends 64; a flood sends 250,000 a second. */
export const OPENS_BURST_MAX = 256
/** Channel opens per second that are tolerated for long. */
export const OPENS_PER_SECOND_MAX = 16
/** Messages held for channels that are still opening. The stream is paused at 32 KiB already; one frame may overshoot. */
export const PENDING_BYTES_MAX = 4 * MIB
/** Handlers of one peer that have not finished: bounds what a frame of a million tiny messages costs. */
export const HANDLERS_PENDING_MAX = 16_384
/** Hypercore requests of one peer that wait for an answer. Hypercore asks for at most 512 blocks per core. */
export const REQUESTS_PENDING_MAX = 4_096
/** Hypercore requests of one peer that are read from disk at once; each may hold a block of EVENT_BYTES_MAX. */
export const ANSWERS_IN_FLIGHT_MAX = 4
/** Unsent bytes above which no more is read from this peer, and above which it is dropped at once. */
export const WRITE_QUEUE_BYTES_MAX = 8 * MIB
/** Unsent bytes at which a peer is dropped at once. */
export const WRITE_QUEUE_BYTES_HARD_MAX = 32 * MIB
/** A peer that takes nothing of what waits for it in this time does not read. */
export const PEER_NOT_READING_MS = 30_000
/** From the connection to the end of the Noise handshake. */
export const HANDSHAKE_MS = 10_000

// Pool
/** Open files kept by the pool. Well below the usual 1,024 of a process, which its connections need too. */
export const POOL_OPEN_FILES_MAX = 128
/** One read from the pool, as it is held in memory. Peers ask for a piece, the gateway streams. */
export const POOL_READ_BYTES_MAX = 16 * MIB
/** Piece layers kept in memory: 32 bytes per 256 KiB, so this covers 64 GiB of artifacts that are being served. */
export const POOL_LAYERS_BYTES_MAX = 8 * MIB
/** Artifacts that arrive at once. A large multicast bundle has some 2,000. */
export const PARTIALS_MAX = 4096
/** Pieces between two fdatasyncs of an artifact that has no layer: what a crash may cost it (16 MiB). */
export const PARTIAL_SYNC_PIECES = 64
/** Readers that wait for pieces of one artifact. The gateway serves 256 connections. */
export const PIECE_WAITERS_MAX = 1024
/** Files adopted per fsync of the list of adopted files: a crash makes at most so many be hashed again. */
export const ADOPT_BATCH_FILES = 2048
/** Threads that hash files. More than four are faster than any disk. */
export const HASH_WORKERS_MAX = 4
/** Files given to a hash thread ahead of time: it goes on while the main thread is busy for a second. */
export const HASH_JOBS_PER_THREAD = 8
/** Files that wait for a hash thread. Adoption hands in a few at a time; this is for artifacts that complete at once. */
export const HASH_QUEUE_MAX = 8192
/** One read of a hash thread: a whole number of pieces, so that leaves are hashed where they lie. */
export const HASH_READ_BYTES = 4 * PIECE_BYTES
/** A file that arrived piece by piece and is no longer is hashed in the main thread: a thread takes longer to start, 100 to 500 ms on a busy machine. */
export const HASH_HERE_BYTES_MAX = 64 * MIB
/** A hash thread that had nothing to do for so many milliseconds ends: it holds some 10 MB. */
export const HASH_IDLE_MS = 5_000
/** Past snapshots of one channel kept open for the gateway: two files and some megabytes of offsets each. */
export const OPEN_SNAPSHOTS_MAX = 8
/** Pause before something that may pass by itself is tried again, in milliseconds: doubled each time. */
export const RETRY_PAUSE_MS_MIN = 250
/** Longest pause between two tries, in milliseconds. */
export const RETRY_PAUSE_MS_MAX = 30_000
/** Longest pause before a failed store is opened again, in milliseconds: space may return at any time. */
export const REOPEN_PAUSE_MS_MAX = 8_000
/** Blocks after the newest release that are looked through for it; a heartbeat names it, so honest logs need one step. */
export const TRAILING_BLOCKS_MAX = 1_024
/** Releases of one channel whose piece roots are kept in memory once they were looked up: a hundred bytes each root. */
export const ROOTS_RELEASES_MAX = 128
/** Chapters of one channel kept in memory once they were read: 64 releases and all tags each. */
export const CHAPTERS_KEPT_MAX = 64

// Import
/** One keyring. Debian's, with all its keys and their certifications, has 56 kB. */
export const KEYRING_BYTES_MAX = 16 * MIB
/** Signatures of one InRelease; Debian's stable has three. Bounds the cryptography done for a hostile file. */
export const RELEASE_SIGNATURES_MAX = 16
/** What an import downloads unless it was told otherwise. */
export const IMPORT_BYTES_MAX = 4 * 1024 * MIB
/** Files downloaded at once from one repository: enough to hide its round trips, few enough to be a polite client. */
export const IMPORT_DOWNLOADS_MAX = 4
/** Tries for one download before the import fails; what was downloaded before is lost with it. */
export const IMPORT_TRIES_MAX = 3
/** Redirects that one request may follow. */
export const IMPORT_REDIRECTS_MAX = 5
/** Wait for a repository's next bytes. */
export const IMPORT_STALL_MS_MAX = 30_000
/** Slowest transfer that is waited for, in bytes a second, after IMPORT_STALL_MS_MAX: endless data must end. */
export const IMPORT_RATE_MIN = 8 * KIB
/** Bytes of the output of apt-config and apt-helper that is not an index. */
export const TOOL_OUTPUT_BYTES_MAX = 1 * MIB
/** Time for apt-config, dpkg or apt-helper to answer. */
export const TOOL_MS_MAX = 60_000
/** Members of a .deb: three, and a few whose names begin with an underscore. */
export const DEB_MEMBERS_MAX = 16
/** Compressed control member of a .deb. Debian's largest has 3 MB (a list of 100,000 checksums). */
export const DEB_CONTROL_PACKED_BYTES_MAX = 16 * MIB
/** The same, unpacked. */
export const DEB_CONTROL_UNPACKED_BYTES_MAX = 64 * MIB
/** Unpacked bytes for one packed byte, above a first mebibyte. Lists of checksums reach 3, scripts 20. */
export const DEB_CONTROL_RATIO_MAX = 200
/** Files in a control member: control, four scripts, md5sums, and little else. */
export const DEB_CONTROL_ENTRIES_MAX = 1024
/** Packages in one directory import: each appears in the index of every architecture. */
export const DEB_FILES_MAX = 200_000
/** Index of an .xz file: one small record for each block; xz makes one block of 24 MiB at level 9. */
export const XZ_INDEX_BYTES_MAX = 16 * MIB
/** Stanzas of one snapshot that a comparison reads, some 400 bytes of memory each. Debian with ten architectures: 0.7 million. */
export const COMPARED_STANZAS_MAX = 1_000_000
/** Packages of one command that are asked for at once: all of a large plan, so that what lies in one bundle comes together. */
export const WISHES_AT_ONCE_MAX = 512
/** Artifacts being fetched at once, and those waiting for their turn. */
export const FETCHES_ACTIVE_MAX = 256
/** Sources that the report of one fetch names; the rest is summed up by kind. */
export const FETCH_SOURCES_MAX = 16
/** Sources of one fetch that are counted apart while it goes on: more than there are connections, and no more for peers that come and go. */
export const FETCH_SOURCES_COUNTED_MAX = 128
/** Ended fetches that a node remembers, two facts of its journal each: a tenth of a second at start. An update of a desktop has fewer. */
export const FETCHES_REMEMBERED_MAX = 512
/** Fetches that `freshet why` shows one by one of a release: of the slowest, and of those that were given up. */
export const WHY_FETCHES_MAX = 5
/** `freshet status --watch` looks so often, in milliseconds: as fast as people read figures that change. */
export const WATCH_MS = 1_000
/** Fetches that it lists: a screenful. */
export const WATCH_FETCHES_MAX = 50
/** An error code, as facts carry it. */
export const CODE_BYTES_MAX = 64
/** Artifacts wanted at once, including those that wait for their turn. */
export const FETCHES_WAITING_MAX = 100_000
/** From the wish for an artifact to giving it up when no peer can give it, in milliseconds without any progress. */
export const FETCH_GIVE_UP_MS = 10_000
/** A publisher waits this long for peers to hand over the part of its log that it has lost, in milliseconds. */
export const CATCH_UP_MS = 5_000
/** It waits this long for a peer that has just connected to say what it has, in milliseconds. */
export const CATCH_UP_SILENCE_MS = 1_000
/** How often it looks whether they have, in milliseconds: no event says so. */
export const CATCH_UP_LOOK_MS = 20
/** Files of a snapshot that are copied, linked or hashed at once: enough for a disk to have always something to do. */
export const SNAPSHOT_FILES_AT_ONCE = 8
/**
 * Missing files of a snapshot, taken at random, that nobody has, in a row, before the rest is not asked for: peers then have, with
 * 99 % certainty, less than one in fifty of the rest, and each question costs FETCH_GIVE_UP_MS.
 */
export const SNAPSHOT_MISSES_MAX = 256
/** Missing files that the result of writing a snapshot names; all are counted. */
export const SNAPSHOT_MISSING_LISTED_MAX = 10_000
/** The marker in a folder that a snapshot was written to: some hundred bytes. */
export const SNAPSHOT_MARKER_BYTES_MAX = 4 * KIB
/** Pause between two reports of progress while a snapshot is written, in milliseconds. */
export const SNAPSHOT_PROGRESS_MS = 100
/** How often a node compares the age of its channels with the clock, at least, in milliseconds: timers stop while a machine sleeps. */
export const FRESHNESS_LOOK_MS_MAX = 60_000

// Signed heads and evidence (protocols/heads.ts, store/evidence.ts)
/** Signatures of one head: 66 bytes for each signer of a quorum, and signers are few. */
export const HEAD_SIGNATURE_BYTES_MAX = 8 * KIB
/** The encoded manifest of a log: 65 bytes a signer. */
export const MANIFEST_BYTES_MAX = 8 * KIB
/** Tree nodes that lead from one length to another: one a level for the roots of the shorter, one a level for what follows. */
export const CONSISTENCY_NODES_MAX = 2 * 24
/** One evidence file: a manifest, two heads, a consistency proof of 40 bytes a node, and their key. */
export const EVIDENCE_BYTES_MAX = MANIFEST_BYTES_MAX + 2 * HEAD_SIGNATURE_BYTES_MAX + 4 * KIB
/** Pieces of evidence that a peer may send about one log over one connection: there are two kinds, and each is kept once. */
export const EVIDENCE_PER_PEER_MAX = 2
/** Signed heads of one log that a peer may send at once, and per second after that. Verifying one takes 0.1 ms a signer. */
export const HEADS_BURST_MAX = 16
/** Signed heads per second that are tolerated for long. We send at most one every HEAD_PAUSE_MS. */
export const HEADS_PER_SECOND_MAX = 4
/** Pause between two heads of one log to one peer, in milliseconds; the newest then stands for those between. */
export const HEAD_PAUSE_MS = 500

/** A peer that others had to stand in for this often in a row is dropped, however quick they were. */
export const UPGRADE_MISSES_MAX = 3

// Audit (store/audit/)
/** Faults that one report lists; whoever reads it wants the first. A rewritten history has one for each release. */
export const AUDIT_FAULTS_MAX = 1_000
/** Blocks of a core read side by side, and as many ahead: 64 of at most EVENT_BYTES_MAX, mostly 60 kB. */
export const AUDIT_WINDOW_BLOCKS = 32
/** Blocks between two reports of progress. */
export const AUDIT_PROGRESS_BLOCKS = 256
/** Unpacked stanza blocks kept while releases are reproduced: 64 of 256 KiB. */
export const AUDIT_STANZA_BLOCKS = 64
/** Text of all index files of one release, held twice. Debian with ten architectures has 0.5 GB. */
export const AUDIT_TEXT_BYTES_MAX = 2 * 1024 * MIB
/** Entries of the look-up index that are listed when it is wrong. */
export const AUDIT_ENTRIES_MAX = 100
