/** The head after some blocks, computed in memory, against a real Hypercore. */
import test from 'brittle'
import type { TreeBase } from '../../schemas/signing.ts'
import { EMPTY_TREE, headAfter } from '../../store/tree-head.ts'
import { replica } from '../helpers/replicas.ts'

test('tree head: any number of blocks after any length → the head that Hypercore has then', async (t) => {
  const { core } = await replica(t, null)
  const all: Buffer[] = []
  let base: Omit<TreeBase, 'signature'> = EMPTY_TREE
  const differing: number[] = []
  for (let count = 0; all.length < 150; count = (count * 7 + 3) % 11) {
    const blocks = Array.from({ length: count }, (_, i) => Buffer.alloc((i * 37) % 100, all.length + i))
    const [stepwise, atOnce] = [headAfter(base, blocks), headAfter(EMPTY_TREE, [...all, ...blocks])]
    await core.append(blocks)
    all.push(...blocks)
    const head = { length: core.length, fork: 0, treeHash: await core.treeHash() }
    for (const computed of [stepwise, atOnce]) {
      if (JSON.stringify(computed) !== JSON.stringify(head)) differing.push(core.length)
    }
    base = { length: core.length, fork: 0, roots: [...core.core.state.roots] }
  }
  t.alike(differing, [])
})
