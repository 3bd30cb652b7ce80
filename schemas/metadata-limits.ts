/** The bounds of the metadata document: what maintainers write, and what readers keep of it. */

const KIB = 1024
const MIB = 1024 * KIB

/** One change of a maintainer, as Automerge writes it. A pin takes some 150 bytes; more than this is written as several changes. */
export const CHANGE_BYTES_MAX = 64 * KIB
/** Operations of one change: run lengths could claim a billion in 20 bytes. */
export const CHANGE_OPS_MAX = 4_096
/** Changes that one change follows directly: there are as many as maintainers who wrote at the same time. */
export const CHANGE_DEPS_MAX = 64
/** Members of a known-good set that one change says, some hundred bytes each: within CHANGE_BYTES_MAX with the longest names. */
export const SET_MEMBERS_PER_CHANGE = 200
/** Why a change was made: a line of a commit message. */
export const CHANGE_MESSAGE_BYTES_MAX = 512
/** Maintainers that a channel ever had: removed ones stay listed, as their old changes count. */
export const MAINTAINERS_MAX = 64
/** Name that a maintainer gives themselves. */
export const MAINTAINER_NAME_BYTES_MAX = 128
/** Changes of one maintainer; every reader of the whole history keeps something of each. */
export const MAINTAINER_CHANGES_MAX = 1_000_000
/** Path of a register: `set/NAME/member/PACKAGE` with the longest names. */
export const METADATA_PATH_BYTES_MAX = 512
/** One value: a description is the longest. */
export const METADATA_VALUE_BYTES_MAX = 8 * KIB
/** Registers of a document. Debian has 63,000 packages; what people curate by hand is a small part of them. */
export const METADATA_REGISTERS_MAX = 500_000
/** Values of one register that nobody has decided between: at most one for each maintainer who wrote at the same time. */
export const METADATA_VALUES_MAX = 64
/** The current state of a document, plain; 5,000 packages have 1 MB. */
export const METADATA_STATE_BYTES_MAX = 64 * MIB
/** Changes since the state that the log has before a new one is worth a block: they are fetched in one request. */
export const METADATA_STATE_AFTER_CHANGES = 256
/** A new state is written after one change for so many registers: packed, these take as many bytes as the change. */
export const METADATA_STATE_REGISTERS_PER_CHANGE = 10
/** One block of a maintainer's log: a packed change, and 40 bytes for each change that it follows. */
export const MAINTAINER_BLOCK_BYTES_MAX = CHANGE_BYTES_MAX + 4 * KIB
/** Changes that `freshet meta log` shows at once; each is read by itself. */
export const METADATA_LOG_MAX = 10_000
