/** Every block of a core in order, and the leaf that the store keeps for it: fetched where it is not here, a window read ahead. */
import type Hypercore from 'hypercore'
import type { TreeNode } from 'hypercore'
import tree from 'hypercore/lib/merkle-tree.js'
import { FreshetError } from '../../schemas/errors.ts'
import { AUDIT_WINDOW_BLOCKS } from '../../schemas/limits.ts'

export interface KeptBlock {
  readonly block: number
  /** Null: this disk has it and cannot give it. */
  readonly bytes: Buffer | null
  /** What the store says that the block hashes to; null: it says nothing, or was not asked. */
  readonly leaf: TreeNode | null
}

export interface ReadBlocksOptions {
  /** How long a block that is not here is waited for. */
  readonly waitMs: number
  readonly signal: AbortSignal
}

/** @throws FreshetError NO_PEERS for a block that is not here and does not come; INTERRUPTED. */
export async function* readBlocks(
  core: Hypercore,
  to: number,
  withLeaves: boolean,
  options: ReadBlocksOptions,
): AsyncGenerator<KeptBlock> {
  const { waitMs, signal } = options
  const download = core.contiguousLength < to ? core.download({ start: 0, end: to, linear: true }) : null
  let next = readWindow(core, 0, to, withLeaves, waitMs)
  try {
    for (let start = 0; start < to; start += AUDIT_WINDOW_BLOCKS) {
      if (signal.aborted) throw new FreshetError('INTERRUPTED', 'the audit was interrupted')
      const window = await next
      next = readWindow(core, start + AUDIT_WINDOW_BLOCKS, to, withLeaves, waitMs)
      next.catch(() => {}) // reported where it is awaited
      yield* window
    }
  } finally {
    download?.destroy()
    await next.catch(() => {}) // nothing reads the core any more when this returns
  }
}

async function readWindow(
  core: Hypercore,
  start: number,
  to: number,
  withLeaves: boolean,
  waitMs: number,
): Promise<KeptBlock[]> {
  const blocks = Array.from({ length: Math.max(0, Math.min(AUDIT_WINDOW_BLOCKS, to - start)) }, (_, i) => start + i)
  return Promise.all(
    blocks.map(async (block) => {
      const bytes = await readBlock(core, block, waitMs) // the leaf of a block that is missing comes with it
      return { block, bytes, leaf: withLeaves ? await readLeaf(core, block) : null }
    }),
  )
}

async function readBlock(core: Hypercore, block: number, waitMs: number): Promise<Buffer | null> {
  try {
    const bytes = await core.get(block, { timeout: waitMs })
    if (bytes !== null) return bytes
  } catch (error) {
    if ((error as { code?: string }).code !== 'REQUEST_TIMEOUT') return null
  }
  throw new FreshetError('NO_PEERS', `block ${block} is not on this disk, and no peer gave it`, { block })
}

/** A leaf that cannot be read says nothing: the block then speaks for itself. */
async function readLeaf(core: Hypercore, block: number): Promise<TreeNode | null> {
  return tree.MerkleTree.get(core.core.state, 2 * block).catch(() => null)
}
