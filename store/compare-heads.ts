/** Holds a signed head, whoever said it, against the log that is here. */
import type Hypercore from 'hypercore'
import type { Manifest } from 'hypercore'
import type { SignedHead } from '../schemas/evidence.ts'
import { BLOCK_WAIT_MS } from '../schemas/limits.ts'
import { proveConsistency, treeHashesOf } from './consistency-proof.ts'
import { equivocationEvidence, rewriteEvidence } from './evidence.ts'
import { headEvidence } from './head-evidence.ts'

/** `later`: this log is shorter, or the nodes to compare with cannot be had now. A Buffer is evidence against the key. */
export type Comparison = 'consistent' | 'later' | Buffer

/** `head` must be verified against `manifest`. */
export async function compareHead(core: Hypercore, manifest: Manifest, head: SignedHead): Promise<Comparison> {
  const { key } = core
  if (head.fork > 0) return rewriteEvidence(key, manifest, head)
  const own = headEvidence(core)
  if (own === null) return 'later'
  if (own.fork > 0) return rewriteEvidence(key, manifest, own)
  if (own.length < head.length) return 'later'
  if (own.length === head.length) {
    return own.treeHash.equals(head.treeHash) ? 'consistent' : equivocationEvidence(key, manifest, [head, own], [])
  }
  const proof = await nodesAt(core, head.length, own.length)
  if (proof === null) return 'later'
  const { shorter } = treeHashesOf(head.length, own.length, proof)
  return shorter.equals(head.treeHash) ? 'consistent' : equivocationEvidence(key, manifest, [head, own], proof)
}

/** A sparse log lacks nodes between heads that it never heard of; the block before such a head brings them. */
async function nodesAt(core: Hypercore, shorter: number, longer: number): ReturnType<typeof proveConsistency> {
  const proof = await proveConsistency(core, shorter, longer)
  if (proof !== null || shorter === 0) return proof
  try {
    await core.get(shorter - 1, { timeout: BLOCK_WAIT_MS })
  } catch {
    return null // nobody has it now, or the log is being closed
  }
  return proveConsistency(core, shorter, longer)
}
