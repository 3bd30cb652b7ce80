/** What a log proves about its past is compared with what Hypercore says of it, for all lengths; nothing altered passes. */
import test from 'brittle'
import fc from 'fast-check'
import type Hypercore from 'hypercore'
import type { ProofNode } from '../../schemas/evidence.ts'
import { LOG_BLOCKS_MAX } from '../../schemas/limits.ts'
import { proveConsistency, treeHashesOf } from '../../store/consistency-proof.ts'
import { refusalOf } from '../helpers/refusal.ts'
import { logOf } from '../helpers/signed-logs.ts'

const LENGTH = 70
const blocks = Array.from({ length: LENGTH }, (_, i) => `block ${i} `.repeat(1 + ((i * 7) % 5)))
const anyTwoLengths = fc.tuple(fc.nat(LENGTH), fc.nat(LENGTH)).map((two) => two.toSorted((a, b) => a - b))

async function proofOf(core: Hypercore, shorter: number, longer: number): Promise<ProofNode[]> {
  const proof = await proveConsistency(core, shorter, longer)
  if (proof === null) throw new Error('a node is missing')
  return proof
}

test('consistency proof: any two lengths → the tree hashes that the log itself has there', async (t) => {
  const core = await logOf(t, ...blocks)
  const hashes = await Promise.all(Array.from({ length: LENGTH + 1 }, (_, length) => core.treeHash(length)))
  let wrong = 0
  let nodesMax = 0
  for (let longer = 0; longer <= LENGTH; longer++) {
    for (let shorter = 0; shorter <= longer; shorter++) {
      const proof = await proofOf(core, shorter, longer)
      const found = treeHashesOf(shorter, longer, proof)
      if (!found.shorter.equals(hashes[shorter] as Buffer) || !found.longer.equals(hashes[longer] as Buffer)) wrong++
      nodesMax = Math.max(nodesMax, proof.length)
    }
  }
  t.is(wrong, 0)
  t.ok(nodesMax <= 2 * Math.ceil(Math.log2(LENGTH)), `at most ${nodesMax} nodes`)
})

test('consistency proof: any corruption of any node → another tree hash, at one length or the other', async (t) => {
  const core = await logOf(t, ...blocks)
  await fc.assert(
    fc.asyncProperty(
      anyTwoLengths,
      fc.nat(),
      fc.nat(255),
      fc.integer({ min: 1, max: 255 }),
      async (two, at, byte, xor) => {
        const [shorter = 0, longer = 0] = two
        fc.pre(longer > 0)
        const proof = await proofOf(core, shorter, longer)
        const true_ = treeHashesOf(shorter, longer, proof)
        const i = at % proof.length
        const node = proof[i] as ProofNode
        const hash = Buffer.from(node.hash)
        hash[byte % 32] = (hash[byte % 32] ?? 0) ^ xor
        for (const bad of [
          { ...node, hash },
          { ...node, byteLength: node.byteLength + xor },
        ]) {
          const found = treeHashesOf(shorter, longer, proof.with(i, bad))
          if (found.longer.equals(true_.longer)) return false
        }
        return true
      },
    ),
    { numRuns: 500 },
  )
  t.pass()
})

test('consistency proof: bytes moved from one node to another → another tree hash', async (t) => {
  const core = await logOf(t, ...blocks)
  let checked = 0
  for (let longer = 2; longer <= LENGTH; longer += 3) {
    for (let shorter = 1; shorter <= longer; shorter++) {
      const proof = await proofOf(core, shorter, longer)
      const before = treeHashesOf(shorter, longer, proof)
      for (let i = 1; i < proof.length; i++) {
        const [from, to] = [proof[i - 1], proof[i]] as [ProofNode, ProofNode]
        const moved = proof
          .with(i - 1, { ...from, byteLength: from.byteLength - 1 })
          .with(i, { ...to, byteLength: to.byteLength + 1 })
        const after = treeHashesOf(shorter, longer, moved)
        if (after.longer.equals(before.longer) && after.shorter.equals(before.shorter))
          t.fail(`${shorter} ${longer} ${i}`)
        checked++
      }
    }
  }
  t.ok(checked > 1000, `${checked} moves`)
})

test('consistency proof: too few nodes, too many, lengths that no log has → EVIDENCE_INVALID', async (t) => {
  const core = await logOf(t, ...blocks)
  const proof = await proofOf(core, 13, LENGTH)
  const [first] = proof as [ProofNode]
  for (const bad of [[], proof.slice(1), proof.slice(0, -1), [...proof, first]]) {
    t.is(
      refusalOf(() => treeHashesOf(13, LENGTH, bad)),
      'EVIDENCE_INVALID',
    )
  }
  t.is(
    refusalOf(() => treeHashesOf(13, 12, proof)),
    'EVIDENCE_INVALID',
    'backwards',
  )
  t.is(
    refusalOf(() => treeHashesOf(1, LOG_BLOCKS_MAX + 1, proof)),
    'EVIDENCE_INVALID',
    'longer than any log',
  )
  t.is(
    refusalOf(() => treeHashesOf(1, Number.NaN, proof)),
    'EVIDENCE_INVALID',
  )
  const huge = proof.map((node) => ({ ...node, byteLength: Number.MAX_SAFE_INTEGER }))
  t.is(
    refusalOf(() => treeHashesOf(13, LENGTH, huge)),
    'EVIDENCE_INVALID',
    'more bytes than can be counted',
  )
})

test('consistency proof: the longest log → fewer nodes than the bound', (t) => {
  const node = { byteLength: 1, hash: Buffer.alloc(32) }
  const lengths = [
    [LOG_BLOCKS_MAX - 1, LOG_BLOCKS_MAX],
    [1, LOG_BLOCKS_MAX],
    [LOG_BLOCKS_MAX / 2 - 1, LOG_BLOCKS_MAX - 1],
  ]
  for (const [shorter = 0, longer = 0] of lengths) {
    const counts = Array.from({ length: 49 }, (_, count) => count)
    const fitting = counts.filter(
      (count) =>
        refusalOf(() =>
          treeHashesOf(
            shorter,
            longer,
            Array.from({ length: count }, () => node),
          ),
        ) === 'accepted',
    )
    t.is(fitting.length, 1, `${shorter} to ${longer}: ${fitting[0]} nodes`)
  }
})
