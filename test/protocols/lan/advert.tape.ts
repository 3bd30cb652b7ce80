/** Who an advert of the local network is understood by, and what is not taken for one. */
import { randomBytes } from 'node:crypto'
import test from 'tape'
import { advertStrings, createAdvert, parseAdvert, recogniseAdvert } from '../../../protocols/lan/advert.ts'
import { LAN_CHANNELS_MAX } from '../../../schemas/limits.ts'

const NODE = randomBytes(32)
const HERE = { host: '192.168.1.7', port: 49737 }

function keys(count: number): Buffer[] {
  return Array.from({ length: count }, () => randomBytes(32))
}

test('advert: two nodes share one channel of several → each learns the key of the other, and by which channel', (t) => {
  const [ours, theirs] = [keys(3), keys(5)]
  const shared = randomBytes(32)
  const advert = parseAdvert(advertStrings(createAdvert(NODE, [...theirs, shared], HERE)))
  t.ok(advert !== null)
  if (advert !== null)
    t.deepEqual(recogniseAdvert(advert, [...ours, shared], HERE), { nodeKey: NODE, channelKey: shared })
  t.end()
})

test('advert: no channel is shared, or it is repeated from elsewhere → nobody is found', (t) => {
  const [channel] = keys(1) as [Buffer]
  const advert = createAdvert(NODE, [channel], HERE)
  t.equal(recogniseAdvert(advert, keys(4), HERE), null)
  t.equal(recogniseAdvert(advert, [channel], { ...HERE, host: '192.168.1.8' }), null)
  t.equal(recogniseAdvert(advert, [channel], { ...HERE, port: 49738 }), null)
  t.end()
})

test('advert: a stranger reads it → neither keys nor the number of channels, and no two are alike', (t) => {
  const channels = keys(3)
  const [one, another] = [createAdvert(NODE, channels, HERE), createAdvert(NODE, channels, HERE)]
  const bytes = Buffer.concat(advertStrings(one))
  for (const key of [NODE, ...channels]) t.equal(bytes.indexOf(key.subarray(0, 8)), -1)
  t.equal(one.entries.length, 4)
  t.equal(one.entries.filter((entry) => another.entries.some((other) => other.equals(entry))).length, 0)
  t.end()
})

test('advert: more channels than fit → as many as fit, in strings that a TXT record can have', (t) => {
  const channels = keys(LAN_CHANNELS_MAX + 9)
  const strings = advertStrings(createAdvert(NODE, channels, HERE))
  t.ok(strings.every(({ byteLength }) => byteLength <= 255))
  const advert = parseAdvert(strings)
  t.equal(advert?.entries.length, LAN_CHANNELS_MAX)
  if (advert !== null) t.deepEqual(recogniseAdvert(advert, channels, HERE)?.nodeKey, NODE)
  t.end()
})

test('advert: what is not one → not taken for one', (t) => {
  const good = advertStrings(createAdvert(NODE, keys(2), HERE))
  const [version, salt, entries] = good as [Buffer, Buffer, Buffer]
  const bad: unknown[] = [
    null,
    'v=1',
    [],
    [version],
    [version, salt],
    [Buffer.from('v=2'), salt, entries],
    [version, salt.subarray(1), entries],
    [version, entries, salt],
    [version, salt, entries.subarray(0, 50)],
    [version, salt, Buffer.concat([Buffer.from('e1='), entries.subarray(3)])],
    [version, salt, 7],
    [version, salt, Buffer.alloc(256)],
    [version, salt, ...Array.from({ length: 4 }, () => entries)],
  ]
  for (const [index, strings] of bad.entries()) t.equal(parseAdvert(strings), null, `case ${index}`)
  t.ok(parseAdvert(good) !== null)
  t.end()
})
