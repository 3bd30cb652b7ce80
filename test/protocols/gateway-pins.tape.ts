import test from 'tape'
import { httpDate, matchesDate, matchesEtag, mayContinue, validatorsOf } from '../../protocols/gateway-conditions.ts'
import { PinTable } from '../../protocols/gateway-pins.ts'
import { parseDigest } from '../../schemas/units.ts'

test('gateway pins: idle for too long → forgotten; used → kept', (t) => {
  let nowMs = 0
  const table = new PinTable({ entriesMax: 10, idleMs: 100, nowMs: () => nowMs })
  table.set('a', { channelId: 'c', number: 1 })
  table.set('b', { channelId: 'c', number: 2 })
  nowMs = 80
  t.equal(table.get('a')?.number, 1)
  nowMs = 150
  t.equal(table.get('a')?.number, 1, 'the look-up at 80 was a use')
  t.equal(table.get('b'), null)
  t.equal(table.entryCount, 1)
  t.end()
})

test('gateway pins: full → the one used longest ago is forgotten', (t) => {
  const table = new PinTable({ entriesMax: 2, idleMs: 100, nowMs: () => 0 })
  table.set('a', { channelId: 'c', number: 1 })
  table.set('b', { channelId: 'c', number: 2 })
  table.get('a')
  table.set('c', { channelId: 'c', number: 3 })
  t.equal(table.get('b'), null)
  t.equal(table.get('a')?.number, 1)
  t.equal(table.get('c')?.number, 3)
  table.set('a', { channelId: 'c', number: 4 })
  t.equal(table.get('a')?.number, 4)
  t.equal(table.entryCount, 2)
  t.end()
})

test('gateway conditions: entity tags and dates → RFC 9110 section 13', (t) => {
  const digest = parseDigest('ab'.repeat(32))
  const etag = `"${digest ?? ''}"`
  const validators = validatorsOf(digest, 1_700_000_000_900, 1_800_000_000_000)
  const date = 'Tue, 14 Nov 2023 22:13:20 GMT'
  t.equal(httpDate(validators), date)
  t.equal(matchesEtag(undefined, validators), null)
  t.equal(matchesEtag(`"x", W/${etag}`, validators), true)
  t.equal(matchesEtag('*', validators), true)
  t.equal(matchesEtag('"x"', validators), false)
  t.ok(matchesDate(date, validators))
  t.notOk(matchesDate('Tue, 14 Nov 2023 22:13:21 GMT', validators), 'a later date is another file')
  t.notOk(matchesDate('yesterday', validators))
  t.ok(mayContinue(undefined, validators, false))
  t.ok(mayContinue(etag, validators, false))
  t.notOk(mayContinue(`W/${etag}`, validators, true), 'a weak tag never continues a file')
  t.notOk(mayContinue(date, validators, false))
  t.ok(mayContinue(date, validators, true))
  t.equal(httpDate(validatorsOf(digest, 2, 1)), null, 'a time in the future is not told')
  t.end()
})
