import test from 'tape'
import { advisoriesIn, isAffected, knownBadIn } from '../../schemas/advisory.ts'
import type { Advisory } from '../../schemas/advisory.ts'
import { EMPTY_STATE } from '../../schemas/metadata-fold.ts'
import type { MetadataState, RegisterValue } from '../../schemas/metadata-fold.ts'

function stateOf(registers: Readonly<Record<string, string | readonly string[]>>): MetadataState {
  const said = (value: string): RegisterValue => ({ value }) as RegisterValue // who said it is of no interest here
  const values = Object.entries(registers).map(([path, value]) => [path, [value].flat().map(said)] as const)
  return { ...EMPTY_STATE, registers: new Map(values) }
}

const SILENT = { affected: null, fixed: null, severity: null, reference: null, summary: null }

test('advisory: registers of a document → advisories and known-bad sets, whatever else is there', (t) => {
  const state = stateOf({
    'advisory/A-2/package': 'bash',
    'advisory/A-1/package': ['xz-utils', 'xz'],
    'advisory/A-1/affected': '>= 5.6.0, <= 5.6.1',
    'advisory/A-1/severity': 'critical',
    'advisory/A-3/summary': 'names no package',
    'set/mix/kind': 'known-bad',
    'set/mix/member/xz-utils': '5.6.1',
    'set/mix/member/openssh-server': '1:9.7p1-2',
    'set/good/kind': 'known-good',
    'set/good/member/bash': '5.2',
    'set/empty/kind': 'known-bad',
    'package/bash/pin': '5.2',
    'channel/note': 'x',
  })
  t.deepEqual(advisoriesIn(state), [
    { id: 'A-1', package: 'xz-utils', ...SILENT, affected: '>= 5.6.0, <= 5.6.1', severity: 'critical' },
    { id: 'A-2', package: 'bash', ...SILENT },
  ])
  t.deepEqual(knownBadIn(state), [
    { set: 'mix', note: null, members: { 'openssh-server': '1:9.7p1-2', 'xz-utils': '5.6.1' } },
  ])
  t.deepEqual([advisoriesIn(EMPTY_STATE), knownBadIn(EMPTY_STATE)], [[], []])
  t.end()
})

test('advisory: which versions it warns of → the range, below the fixed one', (t) => {
  const cases: readonly [Pick<Advisory, 'affected' | 'fixed'>, string, boolean][] = [
    [{ affected: null, fixed: null }, '1', true],
    [{ affected: null, fixed: '2' }, '1', true],
    [{ affected: null, fixed: '2' }, '2~rc1', true],
    [{ affected: null, fixed: '2' }, '2', false],
    [{ affected: '>= 5.6.0, <= 5.6.1', fixed: null }, '5.5', false],
    [{ affected: '>= 5.6.0, <= 5.6.1', fixed: null }, '5.6.0', true],
    [{ affected: '>= 5.6.0, <= 5.6.1', fixed: null }, '5.6.1', true],
    [{ affected: '>= 5.6.0, <= 5.6.1', fixed: null }, '5.6.1+really5.4.5-1', false],
    [{ affected: '<< 1:2', fixed: null }, '9', true],
    [{ affected: '>> 1', fixed: '3' }, '1', false],
    [{ affected: '>> 1', fixed: '3' }, '2', true],
    [{ affected: '= 1-1', fixed: null }, '1-1', true],
    [{ affected: '= 1-1', fixed: null }, '1-1.1', false],
  ]
  for (const [about, version, expected] of cases) {
    const advisory = { id: 'A', package: 'x', ...SILENT, ...about }
    t.equal(isAffected(advisory, version), expected, `${JSON.stringify(about)} ${version}`)
  }
  t.end()
})
