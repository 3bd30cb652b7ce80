/**
 * Heads: two peers that know a log tell each other its newest signed head, and what they hold against its key.
 *
 *   A                                          B
 *   │◀─────────── open, both ─────────────────▶│  channel id = discovery key of the log
 *   │── hello { capability } ─────────────────▶│  first: A knows the key. Nothing else is said before B's own has come
 *   │── evidence { bytes } ───────────────────▶│  each piece once per connection
 *   │── signers { manifest } ─────────────────▶│  once, before the first head: it hashes to the key
 *   │── head { length, fork, hash, signature }▶│  when the log grows, at most one every HEAD_PAUSE_MS
 *
 * Nothing here is trusted: heads are signed, evidence proves itself. What is not, closes the connection, and changes nothing.
 * Versions (part of the protocol name): 1 first release.
 */
import { bytes, fixed32, struct } from '../schemas/codec.ts'
import { signedHead } from '../schemas/evidence.ts'
import { EVIDENCE_BYTES_MAX, HEAD_SIGNATURE_BYTES_MAX, MANIFEST_BYTES_MAX } from '../schemas/limits.ts'
import { frame, protocol } from './protocol.ts'

/** Room for integers, hashes and lengths beside what is bounded by itself. */
const REST_BYTES_MAX = 128

const hello = struct({ capability: fixed32 })
const signers = struct({ manifest: bytes(MANIFEST_BYTES_MAX) })
const evidence = struct({ file: bytes(EVIDENCE_BYTES_MAX) })

export const headsProtocol = protocol({
  name: 'freshet/heads',
  version: 1,
  frames: [
    frame({ name: 'hello', body: hello, byteLengthMax: REST_BYTES_MAX }),
    frame({ name: 'evidence', body: evidence, byteLengthMax: EVIDENCE_BYTES_MAX + REST_BYTES_MAX }),
    frame({ name: 'signers', body: signers, byteLengthMax: MANIFEST_BYTES_MAX + REST_BYTES_MAX }),
    frame({ name: 'head', body: signedHead, byteLengthMax: HEAD_SIGNATURE_BYTES_MAX + REST_BYTES_MAX }),
  ],
})
