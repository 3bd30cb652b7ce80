/**
 * A signed head of a log, and the file that shows that its key broke the one rule of a log: it only grows.
 *
 * Written and read by: store/evidence.ts; a head also travels by itself (protocols/heads.ts). The file needs nothing beside it:
 * the manifest hashes to the key, the heads are signed by the manifest's signers, and the nodes lead from one to the other.
 * One form per finding (canonical): the shorter head first; of equal lengths, the smaller tree hash first.
 */
import { bytes, decodeRecord, encodeRecord, fixed32, list, struct, text, uint } from './codec.ts'
import type { Infer } from './codec.ts'
import { FreshetError } from './errors.ts'
import { CONSISTENCY_NODES_MAX, EVIDENCE_BYTES_MAX, HEAD_SIGNATURE_BYTES_MAX, MANIFEST_BYTES_MAX } from './limits.ts'

/** What a log's signers say: at this length and fork, the tree has this hash. */
export const signedHead = struct({
  length: uint,
  fork: uint,
  treeHash: fixed32,
  signature: bytes(HEAD_SIGNATURE_BYTES_MAX),
})
/** Where a node stands follows from the two lengths, so only its content is written. */
const proofNode = struct({ byteLength: uint, hash: fixed32 })
const evidence = struct({
  format: text(32),
  version: uint,
  key: fixed32,
  manifest: bytes(MANIFEST_BYTES_MAX),
  heads: list(signedHead, 2),
  proof: list(proofNode, CONSISTENCY_NODES_MAX),
})

export type SignedHead = Infer<typeof signedHead>
export type ProofNode = Infer<typeof proofNode>
export type Evidence = Omit<Infer<typeof evidence>, 'format' | 'version'>

/** First words of every file, so that it is known for what it is. */
const FORMAT = 'freshet evidence'
const VERSION = 1
/** The format behind its length, then the version. */
const VERSION_OFFSET = 1 + FORMAT.length

export function encodeEvidence(found: Evidence): Buffer {
  return encodeRecord(evidence, { format: FORMAT, version: VERSION, ...found })
}

/** Form only: what it proves is for store/evidence.ts to say. @throws FreshetError EVIDENCE_INVALID, VERSION_UNSUPPORTED. */
export function decodeEvidence(file: Uint8Array): Evidence {
  if (file.byteLength > EVIDENCE_BYTES_MAX)
    throw invalidEvidence(`${file.byteLength} bytes are more than any evidence has`)
  if (Buffer.from(file.subarray(1, VERSION_OFFSET)).toString() !== FORMAT) {
    throw invalidEvidence('this is not an evidence file')
  }
  const version = file[VERSION_OFFSET] ?? 0
  if (version > VERSION) {
    throw new FreshetError('VERSION_UNSUPPORTED', `evidence of version ${version} is not known`, { version })
  }
  const { format, version: decoded, ...found } = decode(file)
  if (format === FORMAT && decoded === VERSION) return found
  throw invalidEvidence('this is not an evidence file')
}

function decode(file: Uint8Array): Infer<typeof evidence> {
  try {
    return decodeRecord(evidence, file)
  } catch (error) {
    throw invalidEvidence((error as Error).message, error)
  }
}

export function invalidEvidence(message: string, cause?: unknown): FreshetError {
  return new FreshetError('EVIDENCE_INVALID', message, {}, cause)
}
