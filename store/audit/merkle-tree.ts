/**
 * Hypercore's Merkle tree, built from block hashes alone: nothing of what a store says about its own tree is needed.
 *
 * Keeps only the roots; the hash over them is what a head signs. Source: hypercore 11.37 lib/merkle-tree.js, flat-tree.
 */
import type { TreeNode } from 'hypercore'
import crypto from 'hypercore-crypto'

export class MerkleTree {
  /** From left to right, each larger than the next. */
  readonly #roots: TreeNode[] = []
  #length = 0

  append({ hash, size }: Pick<TreeNode, 'hash' | 'size'>): void {
    this.#roots.push({ index: 2 * this.#length, size, hash })
    this.#length++
    // As many pairs close as the new length has factors of two.
    for (let span = this.#length; span % 2 === 0; span /= 2) {
      const [left, right] = this.#roots.splice(-2) as [TreeNode, TreeNode]
      const index = (left.index + right.index) / 2
      this.#roots.push({ index, size: left.size + right.size, hash: crypto.parent(left, right) })
    }
  }

  /** What a head of this length signs. */
  hash(): Buffer {
    return crypto.tree(this.#roots)
  }
}

export function leafOf(block: Buffer): Pick<TreeNode, 'hash' | 'size'> {
  return { hash: crypto.data(block), size: block.byteLength }
}
