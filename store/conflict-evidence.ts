/**
 * Evidence from what Hypercore found by itself.
 *
 * Its `conflict` event hands out the other log's roots at a length that both have, what that log has beyond, and its signature:
 * a consistency proof of the other log.
 * Source: hypercore 11.37 lib/core.js (checkConflict), lib/replicator.js (_onconflict).
 */
import type Hypercore from 'hypercore'
import type { ConflictProof, Manifest, TreeNode } from 'hypercore'
import type { SignedHead } from '../schemas/evidence.ts'
import { compareHead } from './compare-heads.ts'
import { treeHashesOf } from './consistency-proof.ts'
import { equivocationEvidence } from './evidence.ts'
import { headEvidence } from './head-evidence.ts'

export type { ConflictProof }

/** @returns null when neither log's nodes reach from one head to the other. @throws FreshetError EVIDENCE_INVALID. */
export async function conflictEvidence(
  core: Hypercore,
  manifest: Manifest,
  { fork, upgrade }: ConflictProof,
): Promise<Buffer | null> {
  const own = headEvidence(core)
  const nodes = [...upgrade.nodes, ...upgrade.additionalNodes]
  const proof = nodes.map(({ size, hash }) => ({ byteLength: size, hash: Buffer.from(hash) }))
  const length = endOf(nodes.at(-1))
  const { longer: treeHash } = treeHashesOf(upgrade.length, length, proof)
  const theirs: SignedHead = { length, fork, treeHash, signature: Buffer.from(upgrade.signature) }
  if (own === null) return null
  if (own.length < length) {
    return own.length === upgrade.length ? equivocationEvidence(core.key, manifest, [own, theirs], proof) : null
  }
  const found = await compareHead(core, manifest, theirs)
  return typeof found === 'string' ? null : found
}

/** Blocks up to the end of a subtree. In the flat tree, a node of `width` blocks has as many ones at its end as `width` has zeros. */
function endOf(node: TreeNode | undefined): number {
  if (node === undefined) return 0
  let width = 1
  while (Math.floor(node.index / width) % 2 === 1) width *= 2
  return (node.index - (width - 1)) / 2 + width
}
