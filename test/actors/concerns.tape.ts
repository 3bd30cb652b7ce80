import test from 'tape'
import { concernsOf } from '../../actors/concerns.ts'
import type { Warnings } from '../../actors/concerns.ts'

const WARNINGS: Warnings = {
  withdrawn: new Map([['aa=2', { name: 'aa', version: '2', reason: 'loses files', atMs: 0 }]]),
  advisories: [
    {
      id: 'A-1',
      package: 'bb',
      affected: null,
      fixed: '3',
      severity: 'high',
      reference: 'https://example.org/A-1',
      summary: 'reads beyond the end',
    },
  ],
  knownBad: [{ set: 'mix', note: 'deadlock', members: { aa: '1', bb: '4' } }],
}
const UNRATED = { severity: null, fixed: null, reference: null }

test('concerns: what a machine has → just the warnings about it, with what mends them', (t) => {
  const of = (...installed: string[]): unknown =>
    concernsOf(
      WARNINGS,
      installed.map((text) => ({ name: text.split('=')[0] ?? '', version: text.split('=')[1] ?? '' })),
    )
  t.deepEqual(of(), [])
  t.deepEqual(of('aa=1', 'bb=3', 'cc=2'), [])
  t.deepEqual(of('aa=2', 'bb=2', 'bb=2'), [
    {
      kind: 'advisory',
      subject: 'A-1',
      installed: ['bb=2'],
      severity: 'high',
      fixed: '3',
      reference: 'https://example.org/A-1',
      text: 'reads beyond the end',
    },
    { kind: 'withdrawn', subject: 'aa=2', installed: ['aa=2'], ...UNRATED, text: 'loses files' },
  ])
  t.deepEqual(of('aa=1', 'bb=4'), [
    { kind: 'known-bad', subject: 'mix', installed: ['aa=1', 'bb=4'], ...UNRATED, text: 'deadlock' },
  ])
  t.end()
})
