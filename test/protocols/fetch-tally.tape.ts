/** What is counted of a fetch, and how it is told in short. The clock is ours. */
import test from 'tape'
import { FetchTally, type Source } from '../../protocols/fetch-tally.ts'
import { FETCH_SOURCES_COUNTED_MAX, FETCH_SOURCES_MAX } from '../../schemas/limits.ts'

const LAN: Source = { kind: 'lan', name: 'aaaaaaaa' }
const MIRROR: Source = { kind: 'mirror', name: 'http://mirror' }

function tallyAt(startMs: number): { tally: FetchTally; at: (nowMs: number) => FetchTally } {
  let clock = startMs
  const tally = new FetchTally(() => clock)
  return {
    tally,
    at: (nowMs) => {
      clock = nowMs
      return tally
    },
  }
}

test('tally: a fetch from one peer and one mirror → bytes, questions and time, each in its place', (t) => {
  const { at } = tallyAt(1000)
  at(1010).begin(100)
  at(1030).named()
  at(1030).asked(LAN)
  at(1030).asked(MIRROR)
  at(1100).came(LAN, 7)
  at(1200).came(MIRROR, 50)
  at(1250).refused(LAN)
  at(1260).failed(MIRROR, 'IO_ERROR')
  t.deepEqual(at(1300).report(), {
    heldBytes: 100,
    queuedMs: 10,
    logMs: 20,
    sourceMs: 70,
    bytesMs: 100,
    endMs: 100,
    sources: [
      { kind: 'mirror', name: 'http://mirror', bytes: 50, asked: 1, refused: 0, declined: 0, code: 'IO_ERROR' },
      { kind: 'lan', name: 'aaaaaaaa', bytes: 7, asked: 1, refused: 1, declined: 0, code: null },
    ],
  })
  t.equal(at(1300).bytes, 157)
  t.end()
})

test('tally: nothing ever came → the time is that of looking for somebody; a clock that goes back is no time', (t) => {
  const { at } = tallyAt(1000)
  at(1010).begin(0)
  at(1000).named()
  at(1000).declined(LAN)
  const { queuedMs, logMs, sourceMs, bytesMs, endMs } = at(2010).report()
  t.deepEqual([queuedMs, logMs, sourceMs, bytesMs, endMs], [10, 0, 1000, 0, 0])
  t.end()
})

test('tally: peers under ever new keys → few are named, no byte is lost, memory is bounded', (t) => {
  const { at } = tallyAt(0)
  const count = 10 * FETCH_SOURCES_COUNTED_MAX
  for (let peer = 0; peer < count; peer++) at(1).came({ kind: 'peer', name: `peer ${peer}` }, 1)
  at(1).came(LAN, 5)
  const { sources } = at(2).report()
  t.ok(sources.length <= FETCH_SOURCES_MAX)
  t.deepEqual(sources[0], { kind: 'peer', name: 'peer 0', bytes: 1, asked: 0, refused: 0, declined: 0, code: null })
  const bytesOf = (kind: string): number =>
    sources.filter((source) => source.kind === kind).reduce((sum, { bytes }) => sum + bytes, 0)
  t.deepEqual([bytesOf('peer'), bytesOf('lan')], [count, 5])
  t.end()
})

test('tally: who failed and was never asked → not named', (t) => {
  const { at } = tallyAt(0)
  at(0).failed(LAN, 'PIECE_MISMATCH')
  t.deepEqual(at(1).report().sources, [])
  t.end()
})
