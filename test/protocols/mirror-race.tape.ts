/** When mirrors are asked beside peers. The clock is the test's. */
import test from 'tape'
import { type MirrorPace, MirrorRace } from '../../protocols/mirror-race.ts'
import { MIRROR_AFTER_MS, MIRROR_FIRST_MS } from '../../schemas/limits.ts'

const MBYTE = 1_000_000
const MIRROR: MirrorPace = { bytesPerSecond: 3 * MBYTE, firstByteMs: 20 }
const UNKNOWN: MirrorPace = { bytesPerSecond: null, firstByteMs: null }
const LATER = MIRROR_FIRST_MS + 1

/** A file that peers give `rate` bytes a second of, in pieces of a tenth of a second. @returns when the mirror is asked; null: never. */
function asked(race: MirrorRace, rate: number, mirror = MIRROR, totalBytes = 20 * MBYTE, startMs = 0): number | null {
  let usefulAtMs = startMs
  let missingBytes = totalBytes
  race.begins(startMs)
  for (let nowMs = startMs; missingBytes > 0 && nowMs < startMs + 60_000; nowMs += 50) {
    if (race.isDue({ hasSource: true, usefulAtMs, missingBytes }, mirror, nowMs))
      return (race.ends(nowMs), nowMs - startMs)
    if (rate === 0 || (nowMs - startMs) % 100 !== 50) continue
    race.useful(rate / 10, nowMs)
    missingBytes -= rate / 10
    usefulAtMs = nowMs
  }
  race.ends(startMs + 60_000)
  return null
}

test('mirror race: peers that are quicker than the mirror → it is left alone', (t) => {
  t.equal(asked(new MirrorRace(), 5 * MBYTE), null)
  t.equal(asked(new MirrorRace(), 5 * MBYTE, UNKNOWN), null, 'also where nobody knows how quick it is')
  t.end()
})

test('mirror race: nobody has it, or those who have it say nothing → asked at once, or after the head start', (t) => {
  const race = new MirrorRace()
  race.begins(0)
  t.ok(race.isDue({ hasSource: false, usefulAtMs: 0, missingBytes: 1000 }, MIRROR, 0))
  t.equal(asked(new MirrorRace(), 0), MIRROR_AFTER_MS)
  t.end()
})

test('mirror race: peers trickle → asked when their rate can be told, whatever they trickle', (t) => {
  for (const rate of [10, 1000, MBYTE / 10, MBYTE])
    t.ok((asked(new MirrorRace(), rate) ?? 60_000) <= MIRROR_AFTER_MS + 50)
  t.equal(
    asked(new MirrorRace(), MBYTE, { bytesPerSecond: MBYTE / 2, firstByteMs: 20 }),
    null,
    'a slower mirror is not',
  )
  t.end()
})

test('mirror race: peers become slow in the middle → asked soon after', (t) => {
  const race = new MirrorRace()
  race.begins(0)
  for (let nowMs = 0; nowMs < 5_000; nowMs += 50) {
    race.useful(MBYTE / 4, nowMs)
    t.notOk(race.isDue({ hasSource: true, usefulAtMs: nowMs, missingBytes: 20 * MBYTE }, MIRROR, nowMs))
  }
  let nowMs = 5_000
  for (; ; nowMs += 50) {
    race.useful(1_000, nowMs)
    if (race.isDue({ hasSource: true, usefulAtMs: nowMs, missingBytes: 20 * MBYTE }, MIRROR, nowMs)) break
  }
  t.ok(nowMs < 5_800, `after ${nowMs - 5_000} ms`)
  t.end()
})

test('mirror race: peers found wanting → the next files do not wait for them, until they are tried anew', (t) => {
  const race = new MirrorRace()
  t.equal(asked(race, 0), MIRROR_AFTER_MS)
  for (let file = 0; file < 50; file++) t.equal(asked(race, 0, MIRROR, 59_000, 300 + file * 100), 0)
  t.equal(asked(race, 5 * MBYTE, MIRROR, 20 * MBYTE, MIRROR_AFTER_MS + LATER), null)
  t.end()
})

test('mirror race: one file of many waits for its turn → the mirror for it, and peers keep their head start', (t) => {
  const race = new MirrorRace()
  race.begins(0)
  for (let nowMs = 0; nowMs <= MIRROR_AFTER_MS; nowMs += 50) race.useful(MBYTE, nowMs)
  t.ok(race.isDue({ hasSource: true, usefulAtMs: 0, missingBytes: MBYTE }, MIRROR, MIRROR_AFTER_MS))
  t.notOk(race.isDue({ hasSource: true, usefulAtMs: 150, missingBytes: MBYTE }, MIRROR, MIRROR_AFTER_MS))
  t.end()
})

test('mirror race: time in which nothing is fetched → says nothing about peers', (t) => {
  const race = new MirrorRace()
  let nowMs = 0
  for (let file = 0; file < 100; file++, nowMs += 60_000) {
    race.begins(nowMs)
    t.notOk(race.isDue({ hasSource: true, usefulAtMs: nowMs, missingBytes: 59_000 }, MIRROR, nowMs))
    race.useful(59_000, nowMs + 10)
    race.ends(nowMs + 10)
  }
  t.end()
})

test('mirror race: a small file → the round trip to the mirror counts as well', (t) => {
  const race = new MirrorRace()
  race.begins(0)
  // A megabyte a second, and the mirror has three; but it begins a fifth of a second later.
  for (let nowMs = 0; nowMs < 2_000; nowMs += 50) race.useful(MBYTE / 20, nowMs)
  const mirror = { bytesPerSecond: 3 * MBYTE, firstByteMs: 200 }
  t.notOk(race.isDue({ hasSource: true, usefulAtMs: 1_950, missingBytes: 59_000 }, mirror, 2_000))
  t.ok(race.isDue({ hasSource: true, usefulAtMs: 1_950, missingBytes: MBYTE }, mirror, 2_000))
  t.end()
})
