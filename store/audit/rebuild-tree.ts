/**
 * The Merkle tree of a core, built again from every block of it.
 *
 * The leaves that the store keeps only serve to say which block is not the one that was signed: a block whose hash is not the
 * leaf kept for it is named, and that leaf stands in for it, so that one changed block is one fault and everything after it
 * can still be checked against its own signatures.
 */
import type Hypercore from 'hypercore'
import { AUDIT_PROGRESS_BLOCKS } from '../../schemas/limits.ts'
import { leafOf, MerkleTree } from './merkle-tree.ts'
import { readBlocks } from './read-blocks.ts'
import type { ReadBlocksOptions } from './read-blocks.ts'

export interface RebuiltTree {
  readonly length: number
  readonly byteLength: number
  /** Blocks that cannot be read, and those that are not what their leaf says; ascending. */
  readonly unreadable: readonly number[]
  readonly changed: readonly number[]
  /** @returns what a head of this length has to sign. */
  hashAt(length: number): Buffer
}

const HASH_BYTES = 32
/** Neither block nor leaf: no signature will hold from here on. */
const NOTHING = leafOf(Buffer.alloc(0))

/** @throws FreshetError NO_PEERS, INTERRUPTED. */
export async function rebuildTree(
  core: Hypercore,
  length: number,
  options: ReadBlocksOptions,
  onProgress: (done: number, total: number) => void,
): Promise<RebuiltTree> {
  const merkle = new MerkleTree()
  const hashes = Buffer.alloc(HASH_BYTES * (length + 1)) // of all heads that there ever were: 268 MB for LOG_BLOCKS_MAX
  const unreadable: number[] = []
  const changed: number[] = []
  let byteLength = 0
  for await (const { block, bytes, leaf: kept } of readBlocks(core, length, options)) {
    const leaf = bytes === null ? null : leafOf(bytes)
    if (leaf === null) unreadable.push(block)
    else if (kept !== null && !kept.hash.equals(leaf.hash)) changed.push(block)
    byteLength += bytes?.byteLength ?? 0
    merkle.append(kept ?? leaf ?? NOTHING)
    merkle.hash().copy(hashes, HASH_BYTES * (block + 1))
    if (block % AUDIT_PROGRESS_BLOCKS === 0) onProgress(block, length)
  }
  onProgress(length, length)
  const hashAt = (at: number): Buffer => hashes.subarray(HASH_BYTES * at, HASH_BYTES * (at + 1))
  return { length, byteLength, unreadable, changed, hashAt }
}
