/** When word of what came goes out. */
import test from 'tape'
import { GOT_AT_ONCE_BYTES, GOT_BYTES, GOT_DELAY_MS, LEAF_BYTES } from '../../schemas/limits.ts'
import { OwedWord } from '../../protocols/owed-word.ts'

/** A line that has found its window. */
function settled(): OwedWord {
  const owed = new OwedWord()
  owed.came(GOT_AT_ONCE_BYTES, 0)
  owed.take()
  return owed
}

test('the first of a line is told at once', (t) => {
  const owed = new OwedWord()
  t.ok(owed.came(LEAF_BYTES, 0))
  t.same(owed.take(), { byteLength: LEAF_BYTES, atMs: 0 })
  t.end()
})

test('later word waits for company, but not for long', (t) => {
  const owed = settled()
  t.notOk(owed.came(LEAF_BYTES, 1_000))
  t.notOk(owed.came(LEAF_BYTES, 1_030))
  t.notOk(owed.isDue(1_000 + GOT_DELAY_MS - 1))
  t.ok(owed.isDue(1_000 + GOT_DELAY_MS))
  t.same(owed.take(), { byteLength: GOT_AT_ONCE_BYTES + 2 * LEAF_BYTES, atMs: 1_030 }, 'the count is of the whole line')
  t.notOk(owed.isDue(9_999), 'nothing is owed any more')
  t.equal(owed.take(), null)
  t.end()
})

test('a fast line does not wait', (t) => {
  const owed = settled()
  for (let came = LEAF_BYTES; came < GOT_BYTES; came += LEAF_BYTES) t.notOk(owed.came(LEAF_BYTES, 1_000))
  t.ok(owed.came(LEAF_BYTES, 1_000))
  t.end()
})
