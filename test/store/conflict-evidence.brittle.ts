/** Hypercore's own `conflict`, between real stores that replicate, turned into evidence. */
import { once } from 'node:events'
import test, { type Assert } from 'brittle'
import { guardConnection } from '../../protocols/guard.ts'
import { conflictEvidence, type ConflictProof } from '../../store/conflict-evidence.ts'
import { judgeEvidence } from '../../store/evidence.ts'
import { memoryPair } from '../helpers/connections.ts'
import { manifestOf, storedLogOf } from '../helpers/signed-logs.ts'

/** Joins two logs of one key and hands over what Hypercore says of it at the first. */
async function conflictOf(t: Assert, blocks: readonly string[], others: readonly string[]): Promise<Buffer | null> {
  const [one, other] = [await storedLogOf(t, ...blocks), await storedLogOf(t, ...others)]
  const manifest = manifestOf(one.core)
  const [left, right] = await memoryPair()
  t.teardown(() => (left.destroy(), right.destroy()), { order: -1 })
  const conflict = once(one.core, 'conflict')
  for (const stream of [left, right]) guardConnection(stream)
  one.store.replicate(left)
  other.store.replicate(right)
  const [, , proof] = (await conflict) as [number, number, ConflictProof]
  const again = one.store.get({ key: one.core.key, active: false })
  await again.ready()
  return conflictEvidence(again, manifest, proof)
}

test('conflict evidence: the other log is longer, or shorter → holds, of both heads', async (t) => {
  const blocks = Array.from({ length: 40 }, (_, i) => `${i}`)
  for (const [own, theirs, common] of [
    [2, 3, 1],
    [7, 30, 3],
    [30, 7, 3],
    [16, 17, 0],
    [1, 2, 0],
    [33, 40, 32],
  ] as const) {
    const other = blocks.slice(0, theirs).map((block, i) => (i < common ? block : `other ${block}`))
    const found = await conflictOf(t, blocks.slice(0, own), other)
    const { code, heads } = judgeEvidence(found ?? Buffer.alloc(0))
    t.alike([code, ...heads.map(({ length }) => length)], ['EQUIVOCATION', ...[own, theirs].toSorted((a, b) => a - b)])
  }
})
