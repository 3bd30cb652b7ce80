import fc from 'fast-check'
import test from 'tape'
import { JournalFold } from '../../actors/journal-fold.ts'
import type { Fact } from '../../schemas/journal.ts'
import type { DigestHex } from '../../schemas/units.ts'
import { FETCHES_REMEMBERED_MAX, JOURNAL_FACTS_MAX } from '../../schemas/limits.ts'
import {
  added,
  anyFact,
  chosen,
  DIGESTS,
  frozen,
  head,
  kept,
  KEY,
  moved,
  noticed,
  OTHER_KEY,
  ready,
  refused,
  stopped,
  thawed,
  wanted,
} from './facts.ts'

const MARK: Fact = { type: 'journal.compacted', factsBefore: 1, atMs: 0 }

function fold(facts: Iterable<Fact>): JournalFold {
  const result = new JournalFold()
  for (const fact of facts) result.add(fact)
  return result
}

/** All that a node takes from its journal at start. */
function view(journal: JournalFold): string {
  const channels = journal.channels.map(({ added: { key, name, role }, state, freshness, readyBlock }) => {
    return [key, name, role, state.value, state.context, state.status, freshness.value, freshness.context, readyBlock]
  })
  const { notifications } = journal
  const told = [KEY, OTHER_KEY].map((key) => {
    const isKnown = journal.channels.some(({ added: { key: known } }) => known === key)
    return isKnown ? [journal.mirrors.of(key), notifications.subscription(key), notifications.untold(key)] : []
  })
  const { wanted, ended } = journal.fetches
  return fc.stringify([channels, wanted, [...ended], told, notifications.made, notifications.targets])
}

test('journal fold: any facts → the condensed ones fold to the same', (t) => {
  fc.assert(
    fc.property(fc.array(anyFact, { maxLength: 40 }), (facts) => {
      const whole = fold(facts)
      const condensed = whole.condensed()
      // What is told may need a fact of its own, for each channel.
      return view(fold(condensed)) === view(whole) && condensed.length <= facts.length + whole.channels.length
    }),
    { numRuns: 3000 },
  )
  t.pass('3000 journals')
  t.end()
})

test('journal fold: compacted anywhere, and facts after it → as if it had not been', (t) => {
  fc.assert(
    fc.property(fc.array(anyFact, { maxLength: 30 }), fc.nat(), (any, at) => {
      const facts = [added(KEY), added(OTHER_KEY, 'other'), ...any]
      const before = facts.slice(0, 2 + (at % (any.length + 1)))
      const after = facts.slice(before.length)
      const condensed = fold(before).condensed()
      const whole = view(fold(facts))
      const cleared = view(fold([MARK, ...condensed, ...after]))
      const crashedBeforeTheClear = view(fold([...before, MARK, ...condensed, ...after]))
      return cleared === whole && crashedBeforeTheClear === whole
    }),
    { numRuns: 1000 },
  )
  t.pass('1000 journals')
  t.end()
})

test('journal fold: a channel passes to its successor → the name goes there, the old one is history', (t) => {
  const own = { ...added(KEY, 'demo'), role: 'publisher' } as const
  const facts = [own, { ...added(OTHER_KEY, 'its id'), role: 'publisher' } as const, moved()]
  const names = fold(facts).channels.map(({ added: { key, name, role } }) => [key, name, role])
  t.deepEqual(names, [
    [KEY, 'demo.old', 'follower'],
    [OTHER_KEY, 'demo', 'publisher'],
  ])
  t.deepEqual(view(fold([own, moved()])), view(fold([own])), 'to a channel that is not there: nothing')
  t.end()
})

test('journal fold: a channel of many releases → a handful of facts', (t) => {
  const facts: Fact[] = [added()]
  for (let number = 1; number <= 100; number++) facts.push(head(3 * number), ready(3 * number, number))
  t.deepEqual(fold(facts).condensed(), [added(), head(300), ready(300, 100)])
  facts.push(head(303), refused(303), head(306), stopped())
  t.deepEqual(fold(facts).condensed(), [
    added(),
    head(300),
    ready(300, 100),
    head(303),
    refused(303),
    head(306),
    stopped(),
  ])
  t.end()
})

test('journal fold: a channel that froze and thawed → only what is so now', (t) => {
  const facts: Fact[] = [added(), head(3), ready(3, 1), frozen(5)]
  t.deepEqual(fold(facts).condensed(), facts)
  t.deepEqual(fold([...facts, thawed(), noticed(1, 'thawed')]).condensed(), [
    ...facts.slice(0, 3),
    noticed(1, 'thawed'),
  ])
  t.deepEqual(fold([...facts, frozen(6), thawed(), frozen(7)]).condensed(), [...facts.slice(0, 3), frozen(7)])
  t.end()
})

test('journal fold: a channel renamed, artifacts kept and wanted → the last word on each', (t) => {
  const [one, two] = DIGESTS
  const facts = [added(KEY, 'id'), added(KEY, 'demo'), wanted(one as never), wanted(two as never), kept(one as never)]
  t.deepEqual(fold(facts).condensed(), [
    added(KEY, 'demo'),
    wanted(one as never),
    kept(one as never),
    wanted(two as never),
  ])
  t.end()
})

test('journal fold: more fetches ended than are remembered → the newest, and a journal that can be compacted', (t) => {
  const digestOf = (number: number): DigestHex => number.toString(16).padStart(64, '0') as DigestHex
  const numbers = Array.from({ length: 3 * FETCHES_REMEMBERED_MAX }, (_, number) => number)
  const whole = fold([added(), ...numbers.flatMap((number) => [wanted(digestOf(number)), kept(digestOf(number))])])
  const ended = [...whole.fetches.ended].map(({ end }) => end.digest)
  t.deepEqual(ended, numbers.slice(-FETCHES_REMEMBERED_MAX).map(digestOf))
  t.equal(whole.fetches.of(digestOf(0)), null)
  t.ok(whole.condensed().length * 2 <= JOURNAL_FACTS_MAX)
  t.end()
})

test('journal fold: facts of a channel that was never added → not kept', (t) => {
  t.deepEqual(fold([added(), head(3, OTHER_KEY)]).condensed(), [added()])
  t.end()
})

test('journal fold: short, or not to be shortened → not compacted', (t) => {
  const long = fold([added(), head(1)])
  for (let i = 2; i < JOURNAL_FACTS_MAX; i++) long.add(head(1))
  t.equal(long.compacted(), null)
  long.add(head(1))
  t.deepEqual(long.compacted(), [added(), head(1)])
  const full = new JournalFold()
  for (let i = 0; i <= JOURNAL_FACTS_MAX; i++) full.add(wanted(i.toString(16).padStart(64, '0') as never))
  t.equal(full.compacted(), null)
  t.end()
})

test('journal fold: mirrors chosen for a channel → the newest list, which its successor takes over', (t) => {
  const facts = [added(KEY), added(OTHER_KEY, 'other'), chosen('http://a'), chosen('http://b')]
  t.deepEqual(fold(facts).mirrors.of(KEY), ['http://b'])
  t.deepEqual(fold(facts).mirrors.of(OTHER_KEY), [])
  t.deepEqual(fold([...facts, moved()]).mirrors.of(OTHER_KEY), ['http://b'])
  t.deepEqual(fold([...facts, chosen('http://c', OTHER_KEY), moved()]).mirrors.of(OTHER_KEY), ['http://c'])
  t.end()
})
