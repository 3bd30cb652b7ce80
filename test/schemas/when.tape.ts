import fc from 'fast-check'
import test from 'tape'
import { parseWhen, splitChannelWhen } from '../../schemas/when.ts'
import { refusalOf } from '../helpers/refusal.ts'

const timeOf = (text: string): string => {
  const when = parseWhen(text)
  return when.kind === 'time' ? new Date(when.atMs).toISOString() : when.kind
}

test('when: nothing, numbers, tags → told apart', (t) => {
  t.deepEqual(parseWhen(null), { kind: 'newest' })
  t.deepEqual(parseWhen('12'), { kind: 'number', number: 12 })
  t.deepEqual(parseWhen('#12'), { kind: 'number', number: 12 })
  t.deepEqual(parseWhen('0012'), { kind: 'number', number: 12 })
  t.deepEqual(parseWhen('known-good'), { kind: 'tag', tag: 'known-good' })
  t.deepEqual(parseWhen('v12.4+b1'), { kind: 'tag', tag: 'v12.4+b1' })
  t.end()
})

test('when: ISO 8601 in its lengths, with and without zone → UTC where none is given', (t) => {
  t.equal(timeOf('2024-05-01'), '2024-05-01T00:00:00.000Z')
  t.equal(timeOf('2024-05-01T12:30'), '2024-05-01T12:30:00.000Z')
  t.equal(timeOf('2024-05-01T12:30:15'), '2024-05-01T12:30:15.000Z')
  t.equal(timeOf('2024-05-01T12:30:15.5Z'), '2024-05-01T12:30:15.500Z')
  t.equal(timeOf('2024-05-01T12:30:15+02:00'), '2024-05-01T10:30:15.000Z')
  t.equal(timeOf('2024-05-01T12:30-05:30'), '2024-05-01T18:00:00.000Z')
  t.equal(timeOf('20240501T123015Z'), '2024-05-01T12:30:15.000Z', 'as snapshot.debian.org writes it')
  t.end()
})

test('when: a day that does not exist, spaces, signs, a number too long → USAGE', (t) => {
  const bad = [
    '',
    ' ',
    '#',
    '-1',
    '1.5',
    '12 ',
    '1234567890',
    '2024-13-01',
    '2024-05-01T25:00',
    '20241301T000000Z',
    '2023-02-29',
  ]
  for (const text of [...bad, '2024-05-01 12:00', '+tag', 'tag/..', '@', 't'.repeat(65)]) {
    t.equal(
      refusalOf(() => parseWhen(text)),
      'USAGE',
      JSON.stringify(text),
    )
  }
  t.end()
})

test('when: any text → one of the kinds, or USAGE', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9TZ:+#.-]{0,24}$/)), (text) => {
      const code = refusalOf(() => parseWhen(text))
      return code === 'accepted' || code === 'USAGE'
    }),
    { numRuns: 2000 },
  )
  t.pass('2000 texts')
  t.end()
})

test('when: CHANNEL@WHEN → parted at the first @', (t) => {
  t.deepEqual(splitChannelWhen('demo'), { channel: 'demo', when: null })
  t.deepEqual(splitChannelWhen('demo@#3'), { channel: 'demo', when: '#3' })
  t.deepEqual(splitChannelWhen('demo@'), { channel: 'demo', when: '' })
  t.deepEqual(splitChannelWhen('demo@a@b'), { channel: 'demo', when: 'a@b' })
  t.end()
})
