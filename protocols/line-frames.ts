/**
 * Lines: two connected peers agree on a TCP connection beside theirs, for bulk, and on which of the two carries it.
 *
 *   decider (smaller key)                     follower
 *   │◀─ listening { port } ──────────────────▶│  first, both: 0 is "not at all"
 *   │── (dials; the other too, later) ───────▶│
 *   │◀─ unreached ───────────────────────────▶│  "I dialled, or could not, and it came to nothing": the other may try
 *   │── use { turn } ────────────────────────▶│  on the connection or line that carries bulk from here on
 *   │◀─ lost { turn } ────────────────────────│  "the line of that turn is gone here"
 *
 * The channel is open on the connection and on every line; on a line only `use` is said. `turn` counts the decisions, from 1.
 * Who follows the rules: peer-lines.ts. Versions (part of the protocol name): 1 first release.
 */
import { struct, uint } from '../schemas/codec.ts'
import { frame, protocol } from './protocol.ts'

/** Each is a version and at most one integer. */
const BYTES_MAX = 16

const listening = struct({ port: uint })
const unreached = struct({})
const turn = struct({ turn: uint })

export const linesProtocol = protocol({
  name: 'freshet/lines',
  version: 1,
  frames: [
    frame({ name: 'listening', body: listening, byteLengthMax: BYTES_MAX }),
    frame({ name: 'unreached', body: unreached, byteLengthMax: BYTES_MAX }),
    frame({ name: 'use', body: turn, byteLengthMax: BYTES_MAX }),
    frame({ name: 'lost', body: turn, byteLengthMax: BYTES_MAX }),
  ],
})
