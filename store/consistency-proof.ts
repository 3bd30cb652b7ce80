/**
 * Shows what the tree hash of a log was at a shorter length, to somebody who knows nothing but the two lengths.
 *
 * The proof is the roots at the shorter length and the subtrees that make it the longer one: both tree hashes are computed
 * from the same nodes, so either they are of one history, or the one that differs is not. As RFC 6962, 2.1.2, over Hypercore's
 * flat tree. Which nodes those are follows from the lengths, so there is one proof for two lengths, and every bit of it counts.
 */
import type Hypercore from 'hypercore'
import type { TreeNode } from 'hypercore'
import merkleTree from 'hypercore/lib/merkle-tree.js'
import crypto from 'hypercore-crypto'
import { invalidEvidence } from '../schemas/evidence.ts'
import type { ProofNode } from '../schemas/evidence.ts'
import { LOG_BLOCKS_MAX } from '../schemas/limits.ts'

/** A full subtree: `width` blocks, a power of two, from `first`, a multiple of it. */
interface Span {
  readonly first: number
  readonly width: number
}

type Subtree = Span & TreeNode

export interface TreeHashes {
  readonly shorter: Buffer
  readonly longer: Buffer
}

/**
 * The nodes that show what the tree of `core` was at `shorter`; null when some of them are not on this disk. A follower has
 * them all once it has the block before `shorter`.
 */
export async function proveConsistency(core: Hypercore, shorter: number, longer: number): Promise<ProofNode[] | null> {
  const spans = spansBetween(shorter, longer)
  const nodes = await Promise.all(spans.map((span) => merkleTree.MerkleTree.get(core.core.state, indexOf(span))))
  const proof: ProofNode[] = []
  for (const node of nodes) {
    if (node === null) return null
    proof.push({ byteLength: node.size, hash: Buffer.from(node.hash) })
  }
  return proof
}

/** @throws FreshetError EVIDENCE_INVALID unless `proof` is of the form that the two lengths demand. */
export function treeHashesOf(shorter: number, longer: number, proof: readonly ProofNode[]): TreeHashes {
  const spans = spansBetween(shorter, longer)
  if (proof.length !== spans.length)
    throw invalidEvidence(`${spans.length} tree nodes were to come, not ${proof.length}`)
  const roots: Subtree[] = []
  let shorterHash: Buffer | null = shorter === 0 ? crypto.tree([]) : null
  for (const [i, span] of spans.entries()) {
    const { byteLength, hash } = proof[i] as ProofNode
    appendRoot(roots, { ...span, index: indexOf(span), size: byteLength, hash })
    if (span.first + span.width === shorter) shorterHash = crypto.tree(roots)
  }
  return { shorter: shorterHash as Buffer, longer: crypto.tree(roots) }
}

/** The roots at `shorter`, then the largest subtrees that fill up to `longer`. */
function spansBetween(shorter: number, longer: number): Span[] {
  if (!(shorter <= longer && longer <= LOG_BLOCKS_MAX))
    throw invalidEvidence(`no log grows from ${shorter} to ${longer}`)
  return [...fillers(0, shorter), ...fillers(shorter, longer)]
}

function fillers(from: number, to: number): Span[] {
  const spans: Span[] = []
  for (let first = from; first < to;) {
    let width = 1
    while (first % (2 * width) === 0 && first + 2 * width <= to) width *= 2
    spans.push({ first, width })
    first += width
  }
  return spans
}

/** Two neighbours of one width that begin at a multiple of twice that width are one subtree. */
function appendRoot(roots: Subtree[], added: Subtree): void {
  let right = added
  for (
    let left = roots.at(-1);
    left?.width === right.width && left.first % (2 * left.width) === 0;
    left = roots.at(-1)
  ) {
    roots.pop()
    right = parentOf(left, right)
  }
  roots.push(right)
}

function parentOf(left: Subtree, right: Subtree): Subtree {
  const span = { first: left.first, width: 2 * left.width }
  const size = left.size + right.size
  if (!Number.isSafeInteger(size)) throw invalidEvidence('a log of more than 2^53 bytes')
  return { ...span, index: indexOf(span), size, hash: crypto.parent(left, right) }
}

/** Hypercore's flat tree: leaves are even, and a parent stands between its children. */
function indexOf({ first, width }: Span): number {
  return 2 * first + width - 1
}
