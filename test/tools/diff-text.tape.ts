/** Differences and ranges as text. */
import test from 'tape'
import { diffText } from '../../tools/diff-text.ts'
import type { DiffResult } from '../../tools/history-operations.ts'
import { rangeLines } from '../../tools/ranges-text.ts'

const release = (number: number) => ({ channel: 'demo', id: 'id', release: number, suite: 'demo', publishedAt: '' })
const NOTHING: DiffResult = {
  from: release(1),
  to: release(2),
  added: [],
  removed: [],
  upgraded: [],
  downgraded: [],
  changed: [],
  bytes: 0,
}
const item = (name: string, from: string | null, to: string | null, size: number) => {
  return { name, architecture: 'amd64', from, to, size, sha256: 'a' }
}

test('diff text: nothing differs → says so', (t) => {
  t.equal(diffText(NOTHING), 'demo #1 and demo #2 hold the same packages')
  t.end()
})

test('diff text: all kinds → grouped, aligned, with totals', (t) => {
  const text = diffText({
    ...NOTHING,
    upgraded: [item('aa', '1.9', '1.10', 1_400_000), item('long-name', '1', '2', 999)],
    downgraded: [item('dd', '2', '1', 5)],
    changed: [
      { ...item('same', '1', '1', 5), fromSha256: 'a' },
      { ...item('other', '1', '1', 5), fromSha256: 'b' },
    ],
    added: [item('new', null, '1', 10)],
    removed: [item('old', '1', null, 10)],
    bytes: 1_401_024,
  })
  t.deepEqual(text.split('\n'), [
    'demo #1 → demo #2: 2 upgraded, 1 downgraded, 2 changed, 1 added, 1 removed; 1.4 MB of packages come',
    '',
    'upgraded (2)',
    '  aa         amd64  1.9 → 1.10  1.4 MB',
    '  long-name  amd64  1 → 2        999 B',
    '',
    'downgraded (1)',
    '  dd  amd64  2 → 1  5 B',
    '',
    'changed (2)',
    '  same   amd64  1 (same file, other words)  5 B',
    '  other  amd64  1 (other file)              5 B',
    '',
    'added (1)',
    '  new  amd64  1  10 B',
    '',
    'removed (1)',
    '  old  amd64  1  10 B',
  ])
  t.end()
})

test('diff text: 60,000 packages → a line for each', (t) => {
  const removed = Array.from({ length: 60_000 }, (_, i) => item(`pkg${i}`, '1', null, 10))
  t.equal(diffText({ ...NOTHING, removed }).split('\n').length, 60_003)
  t.end()
})

test('ranges text: one release, several, up to the newest → a line each', (t) => {
  const [one, two] = ['2024-05-01T08:00:00.000Z', '2024-05-09T08:00:00.123Z']
  const view = {
    ranges: [
      [1, 1],
      [3, 5],
      [7, 9],
    ],
    times: [
      [one, one],
      [one, two],
      [one, two],
    ],
  } as const
  t.deepEqual(rangeLines(view, 9), [
    '#1  2024-05-01 08:00:00',
    '#3 to #5  2024-05-01 08:00:00 to 2024-05-09 08:00:00',
    '#7 to #9  2024-05-01 08:00:00 to 2024-05-09 08:00:00, the newest',
  ])
  t.end()
})
