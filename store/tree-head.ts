/**
 * The head that a log has after some more blocks, from the roots of its Merkle tree alone: no store, no log, nothing to trust.
 * Source: hypercore 11.37 lib/merkle-tree.js (private, pinned).
 */
import tree from 'hypercore/lib/merkle-tree.js'
import type { TreeBase } from '../schemas/signing.ts'

export interface TreeHead {
  readonly length: number
  readonly fork: number
  readonly treeHash: Buffer
}

/** The log before its first block. */
export const EMPTY_TREE: Omit<TreeBase, 'signature'> = { length: 0, fork: 0, roots: [] }

/** With no blocks: the head of `base` itself. */
export function headAfter(base: Omit<TreeBase, 'signature'>, blocks: readonly Buffer[]): TreeHead {
  const { fork, roots, length } = base
  const byteLength = roots.reduce((sum, { size }) => sum + size, 0)
  const batch = new tree.MerkleTreeBatch({ fork, roots, length, byteLength, signature: null, prologue: null })
  for (const block of blocks) batch.append(block)
  return { length: batch.length, fork, treeHash: Buffer.from(batch.hash()) }
}
