/**
 * Reads a Hyperbee that somebody else wrote, as of one of its lengths.
 *
 * Hyperbee itself trusts its blocks: a node that is its own child makes it spin for ever. Here no step down goes to a block
 * that was written later; depth, keys of a node, blocks read and block sizes are bounded, so every walk ends; and whatever does
 * not decode or breaks the order of keys is INDEX_INVALID. Blocks that a step may need are asked for together: one round trip a level.
 * Source: hyperbee 2.27 index.js (Node: key, value and the tree nodes that changed with them; children point to nodes).
 */
import type Hypercore from 'hypercore'
import { Node, YoloIndex } from 'hyperbee/lib/messages.js'
import { FreshetError } from '../schemas/errors.ts'
import {
  BLOCK_WAIT_MS,
  INDEX_BLOCK_BYTES_MAX,
  INDEX_DEPTH_MAX,
  INDEX_NODE_KEYS_MAX,
  INDEX_READS_MAX,
} from '../schemas/limits.ts'
import { RecentlyUsed } from './recently-used.ts'

export interface BeeEntry {
  readonly key: Buffer
  readonly value: Buffer
}

interface TreeNode {
  /** Block that it stands in, and its place in it. */
  readonly seq: number
  readonly offset: number
  /** Blocks that hold the keys, in the order of the keys. */
  readonly keys: readonly number[]
  /** Flat: block and offset of each child in turn; empty in a leaf. */
  readonly children: readonly number[]
}

interface Block extends BeeEntry {
  readonly levels: readonly { readonly keys: readonly number[]; readonly children: readonly number[] }[]
}

/** Decoded blocks kept between look-ups: the upper levels of the tree are in every one of them. */
const BLOCKS_KEPT_MAX = 4096

export class BeeReader {
  readonly #core: Hypercore
  readonly #length: number
  readonly #blocks = new RecentlyUsed<number, Block>(BLOCKS_KEPT_MAX)

  /** `length` must not exceed what `core` has been verified for. */
  constructor(core: Hypercore, length: number) {
    this.#core = core
    this.#length = length
  }

  /** @throws FreshetError INDEX_INVALID, NO_PEERS. */
  async get(key: Buffer): Promise<BeeEntry | null> {
    let walk = new Walk()
    for (let node = await this.#root(walk); node !== null;) {
      const { at, entry } = await this.#find(node, key, walk)
      if (entry !== null) return entry
      node = await this.#child(node, at, walk)
      if (node !== null) walk = walk.deeper()
    }
    return null
  }

  /** Entries with gte <= key < lt, in the order of their keys. @throws FreshetError INDEX_INVALID, NO_PEERS. */
  async *range(gte: Buffer, lt: Buffer): AsyncGenerator<BeeEntry> {
    const walk = new Walk()
    let last: Buffer | null = null
    for await (const entry of this.#below(await this.#root(walk), gte, lt, walk)) {
      if (last !== null && Buffer.compare(last, entry.key) >= 0) throw invalid('its keys are not in order')
      last = entry.key
      walk.renew() // an entry was found: what follows is a walk of its own
      yield entry
    }
  }

  async *#below(node: TreeNode | null, gte: Buffer, lt: Buffer, walk: Walk): AsyncGenerator<BeeEntry> {
    if (node === null) return
    const { at } = await this.#find(node, gte, walk)
    for (let i = at; i <= node.keys.length; i++) {
      const child = await this.#child(node, i, walk)
      if (child !== null) yield* this.#below(child, gte, lt, walk.deeper())
      const seq = node.keys[i]
      if (seq === undefined) return
      const { key, value } = await this.#block(seq, walk)
      if (Buffer.compare(key, lt) >= 0) return
      yield { key, value }
    }
  }

  /** First key of `node` that is not before `key`; `entry` when it is that key. */
  async #find({ keys }: TreeNode, key: Buffer, walk: Walk): Promise<{ at: number; entry: BeeEntry | null }> {
    let [low, high] = [0, keys.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      const block = await this.#block(keys[middle] as number, walk)
      const order = Buffer.compare(block.key, key)
      if (order === 0) return { at: middle, entry: block }
      if (order < 0) low = middle + 1
      else high = middle
    }
    return { at: low, entry: null }
  }

  async #root(walk: Walk): Promise<TreeNode | null> {
    return this.#length < 2 ? null : this.#node(this.#length - 1, 0, walk) // block 0 is a header
  }

  async #child(parent: TreeNode, at: number, walk: Walk): Promise<TreeNode | null> {
    const [seq, offset] = [parent.children[2 * at], parent.children[2 * at + 1]]
    if (seq === undefined || offset === undefined) return null // a leaf
    // Within one block a batch leaves nodes in any order: there the bound on the depth ends a walk.
    if (seq > parent.seq) throw invalid(`a node of block ${parent.seq} has a child that was written after it`)
    if (seq === parent.seq && offset === parent.offset) throw invalid(`a node of block ${seq} is its own child`)
    return this.#node(seq, offset, walk)
  }

  async #node(seq: number, offset: number, walk: Walk): Promise<TreeNode> {
    const level = (await this.#block(seq, walk)).levels[offset]
    if (level === undefined) throw invalid(`block ${seq} has no node ${offset}`)
    const node = { seq, offset, keys: level.keys, children: level.children }
    if (node.keys.length > INDEX_NODE_KEYS_MAX) throw invalid(`a node of block ${seq} has ${node.keys.length} keys`)
    const isLeaf = node.children.length === 0
    if (!isLeaf && node.children.length !== 2 * (node.keys.length + 1)) {
      throw invalid(`a node of block ${seq} has more or fewer children than its keys need`)
    }
    if (node.keys.some((key) => key > seq)) throw invalid(`a node of block ${seq} has a key that was written after it`)
    await this.#prefetch(node)
    return node
  }

  /** Asks for everything that a search in this node may read, at once. */
  async #prefetch({ keys, children }: TreeNode): Promise<void> {
    if (this.#core.contiguousLength >= this.#length) return // it is all here
    const wanted = [...keys, ...children.filter((_, i) => i % 2 === 0)].filter((seq) => !this.#blocks.has(seq))
    const missing: number[] = []
    for (const seq of new Set(wanted)) if (!(await this.#core.has(seq))) missing.push(seq)
    if (missing.length > 0) this.#core.download({ blocks: missing })
  }

  async #block(seq: number, walk: Walk): Promise<Block> {
    walk.count()
    const known = this.#blocks.get(seq)
    if (known !== undefined) return known
    if (seq < 1 || seq >= this.#length) throw invalid(`block ${seq} is outside the index`)
    const block = decode(await this.#read(seq), seq)
    this.#blocks.set(seq, block)
    return block
  }

  async #read(seq: number): Promise<Buffer> {
    try {
      const bytes = await this.#core.get(seq, { timeout: BLOCK_WAIT_MS })
      if (bytes !== null) return bytes
    } catch (error) {
      if ((error as { code?: string }).code !== 'REQUEST_TIMEOUT') {
        throw new FreshetError('STORE_FAILED', `block ${seq} of an index cannot be read`, { seq }, error)
      }
    }
    throw new FreshetError('NO_PEERS', `block ${seq} of the index did not arrive`, { seq })
  }
}

/** What one search may still cost. */
class Walk {
  readonly #budget: { reads: number }
  readonly #depth: number

  constructor(budget = { reads: INDEX_READS_MAX }, depth = 0) {
    this.#budget = budget
    this.#depth = depth
  }

  count(): void {
    if (this.#budget.reads-- <= 0) throw invalid(`a look-up reads more than ${INDEX_READS_MAX} blocks`)
  }

  renew(): void {
    this.#budget.reads = INDEX_READS_MAX
  }

  deeper(): Walk {
    if (this.#depth >= INDEX_DEPTH_MAX) throw invalid(`it is more than ${INDEX_DEPTH_MAX} levels deep`)
    return new Walk(this.#budget, this.#depth + 1)
  }
}

function decode(bytes: Buffer, seq: number): Block {
  if (bytes.byteLength > INDEX_BLOCK_BYTES_MAX) throw invalid(`block ${seq} has ${bytes.byteLength} bytes`)
  try {
    const { key, value, index } = Node.decode(bytes)
    const { levels } = YoloIndex.decode(index)
    return { key, value: value ?? Buffer.alloc(0), levels }
  } catch (error) {
    throw invalid(`block ${seq} cannot be decoded`, error)
  }
}

function invalid(what: string, cause?: unknown): FreshetError {
  return new FreshetError('INDEX_INVALID', `the index of the channel does not hold: ${what}`, {}, cause)
}
