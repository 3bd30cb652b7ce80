/** What a peer waits for leaves in order, and what was handed to it before the rest. */
import test from 'tape'
import { BlockQueue } from '../../../protocols/exchange/block-queue.ts'

const NOTHING_SENT = new Uint16Array(8)

test('what was handed out leaves first, each kind in its order, and nothing twice', (t) => {
  const queue = new BlockQueue()
  for (const [block, isFirst] of [
    [1, false],
    [2, true],
    [3, false],
    [4, true],
    [2, false],
    [1, true],
  ] as const)
    queue.add(block, isFirst)
  t.equal(queue.size, 4)
  const left: number[] = []
  for (let block = queue.peek(NOTHING_SENT); block !== undefined; block = queue.peek(NOTHING_SENT)) {
    left.push(block)
    t.ok(queue.delete(block))
  }
  t.same(left, [2, 4, 1, 3])
  t.notOk(queue.delete(1))
  t.notOk(queue.has(1))
  t.end()
})

test('of what is asked for, what was sent to fewest leaves first', (t) => {
  const queue = new BlockQueue()
  for (const block of [1, 2, 3]) queue.add(block, true)
  t.equal(queue.peek(Uint16Array.of(0, 2, 1, 1)), 2)
  t.end()
})
