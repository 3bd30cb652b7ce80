/**
 * What a channel's key signed against its own log: made from heads, and judged from the bytes alone.
 *
 * A Freshet log only grows, so a signed head of fork 1 or more shows a rewrite by itself (HISTORY_REWRITE). Two signed heads of
 * fork 0 show two histories (EQUIVOCATION) when they are of one length with two tree hashes, or when the log of the longer one
 * had another tree hash at the length of the shorter one, which the consistency proof tells.
 */
import type { Manifest } from 'hypercore'
import { asFreshetError } from '../schemas/errors.ts'
import { decodeEvidence, encodeEvidence, invalidEvidence } from '../schemas/evidence.ts'
import type { Evidence, ProofNode, SignedHead } from '../schemas/evidence.ts'
import { keyHex } from '../schemas/units.ts'
import type { KeyHex } from '../schemas/units.ts'
import { treeHashesOf } from './consistency-proof.ts'
import { encodeManifest, readManifest, verifyHead } from './head-evidence.ts'

export type Misdeed = 'EQUIVOCATION' | 'HISTORY_REWRITE'

export interface Verdict {
  readonly key: KeyHex
  readonly code: Misdeed
  /** One for a rewrite; two, the shorter first, for an equivocation. */
  readonly heads: readonly SignedHead[]
  readonly signers: number
  readonly quorum: number
}

/** `head` must be of fork 1 or more, and verified. */
export function rewriteEvidence(key: Buffer, manifest: Manifest, head: SignedHead): Buffer {
  return encodeEvidence({ key, manifest: encodeManifest(manifest), heads: [head], proof: [] })
}

/** Both heads must be verified and of fork 0. `proof`, of the longer one's log, is empty when they are of one length. */
export function equivocationEvidence(
  key: Buffer,
  manifest: Manifest,
  heads: readonly [SignedHead, SignedHead],
  proof: readonly ProofNode[],
): Buffer {
  const ordered = heads.toSorted((a, b) => a.length - b.length || Buffer.compare(a.treeHash, b.treeHash))
  return encodeEvidence({ key, manifest: encodeManifest(manifest), heads: ordered, proof })
}

/** @throws FreshetError EVIDENCE_INVALID unless `file` proves it, by itself; VERSION_UNSUPPORTED. */
export function judgeEvidence(file: Uint8Array): Verdict {
  const evidence = decodeEvidence(file)
  const { key, heads } = evidence
  const manifest = manifestOf(evidence)
  for (const head of heads) {
    if (!verifyHead(key, manifest, head))
      throw invalidEvidence(`the head of length ${head.length} is not signed by the key`)
  }
  const { signers, quorum } = manifest
  return { key: keyHex(key), code: misdeedOf(evidence), heads, signers: signers.length, quorum }
}

function manifestOf({ key, manifest }: Evidence): Manifest {
  try {
    return readManifest(key, manifest)
  } catch (error) {
    throw invalidEvidence(asFreshetError(error).message, error) // of signers that prove nothing, nothing is proven
  }
}

function misdeedOf({ heads, proof }: Evidence): Misdeed {
  const [first, second] = heads
  if (first === undefined) throw invalidEvidence('there is no head in it')
  if (second === undefined) {
    if (first.fork === 0 || proof.length > 0) throw invalidEvidence('a single head of fork 0 contradicts nothing')
    return 'HISTORY_REWRITE'
  }
  if (first.fork !== 0 || second.fork !== 0) throw invalidEvidence('of two forks, one head tells everything')
  if (first.length === second.length) {
    if (proof.length > 0 || Buffer.compare(first.treeHash, second.treeHash) >= 0) {
      throw invalidEvidence('the two heads do not differ, or stand in the wrong order')
    }
    return 'EQUIVOCATION'
  }
  requireFork(first, second, proof)
  return 'EQUIVOCATION'
}

/** The proof must belong to the longer head, and give another tree hash than the shorter one says. */
function requireFork(shorter: SignedHead, longer: SignedHead, proof: readonly ProofNode[]): void {
  const hashes = treeHashesOf(shorter.length, longer.length, proof)
  if (!hashes.longer.equals(longer.treeHash)) throw invalidEvidence('the tree nodes are not those of the longer head')
  if (hashes.shorter.equals(shorter.treeHash)) throw invalidEvidence('the longer head continues the shorter one')
}
