/**
 * The Merkle tree of a core, built again from every block of it.
 *
 * Where it comes out as it should, nothing of what the store says about its own tree was needed. Otherwise the blocks are read
 * again beside the leaves that the store keeps: a block whose hash is not its leaf is named, and the leaf stands in for it, so
 * that one changed block is one fault and everything after it can still be checked against its own signatures.
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

/**
 * @param isRight whether the tree of all `length` blocks may have this hash.
 * @throws FreshetError NO_PEERS, INTERRUPTED.
 */
export async function rebuildTree(
  core: Hypercore,
  length: number,
  isRight: (treeHash: Buffer) => boolean,
  options: ReadBlocksOptions,
  onProgress: (done: number, total: number) => void,
): Promise<RebuiltTree> {
  const tree = await build(core, length, false, options, onProgress)
  const isWhole = tree.unreadable.length === 0 && (length === 0 || isRight(tree.hashAt(length)))
  return isWhole ? tree : build(core, length, true, options, onProgress)
}

async function build(
  core: Hypercore,
  length: number,
  withLeaves: boolean,
  options: ReadBlocksOptions,
  onProgress: (done: number, total: number) => void,
): Promise<RebuiltTree> {
  const merkle = new MerkleTree()
  const hashes = Buffer.alloc(HASH_BYTES * (length + 1)) // of all heads that there ever were: 268 MB for LOG_BLOCKS_MAX
  const unreadable: number[] = []
  const changed: number[] = []
  let byteLength = 0
  for await (const { block, bytes, leaf: kept } of readBlocks(core, length, withLeaves, options)) {
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
