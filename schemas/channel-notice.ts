/**
 * What a node told about a channel that is no release: a version was withdrawn, or the channel froze or thawed. An entry of the list
 * in its journal (fact `notice.made`), numbered with the releases that were told.
 */
import { fixed32, flag, nullable, oneOf, struct, text, timeMs, uint } from './codec.ts'
import type { Infer } from './codec.ts'
import { PACKAGE_NAME_BYTES_MAX, REASON_BYTES_MAX, VERSION_BYTES_MAX } from './limits.ts'

const withdrawnVersion = struct({
  name: text(PACKAGE_NAME_BYTES_MAX),
  version: text(VERSION_BYTES_MAX),
  reason: text(REASON_BYTES_MAX),
  /** Whether its file is in the pool of this node: then it was fetched. Null: not known. */
  held: nullable(flag),
  /** Whether this machine has it installed. Null: it is not known what it has. */
  installed: nullable(flag),
})

export const channelNotice = struct({
  /** Random, once for each: by it a receiver knows one that comes again. */
  uid: fixed32,
  /** From 1, in order, over all channels of the node, releases among them. */
  number: uint,
  /** Append only. */
  kind: oneOf(['withdrawn', 'frozen', 'thawed']),
  /** The newest release that is here; 0: none. */
  release: uint,
  /** Of that release, where it freezes or thaws. */
  validUntilMs: nullable(timeMs),
  /** Of kind `withdrawn`. */
  withdrawn: nullable(withdrawnVersion),
})
export type ChannelNotice = Infer<typeof channelNotice>
