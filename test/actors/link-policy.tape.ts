/** The policy by table: config, link, hour and traffic on one side, what is given and fetched, and why, on the other. */
import test from 'tape'
import { linkPolicy, NO_LINK_FACTS } from '../../actors/link-policy.ts'
import type { LinkFacts, LinkPolicy, MonthlyTraffic } from '../../actors/link-policy.ts'
import { LINK_LOOK_MS_MAX } from '../../schemas/limits.ts'
import { DEFAULT_CONFIG } from '../../schemas/node-config.ts'
import type { NodeConfig } from '../../schemas/node-config.ts'

const NOW = 1_700_000_000_000
const MINUTE = 60_000

interface Case {
  readonly what: string
  readonly config?: Partial<NodeConfig>
  readonly facts?: Partial<LinkFacts>
  readonly traffic?: Partial<MonthlyTraffic>
  /** `HH:MM`. */
  readonly at?: string
  /** Whom it gives to, whether it fetches, and the settings that are named as reasons. */
  readonly gives: readonly [LinkPolicy['shareWith'], boolean, ...string[]]
}

function policyOf({ config, facts, traffic, at = '12:00' }: Omit<Case, 'what' | 'gives'>): LinkPolicy {
  const [hour = 0, minute = 0] = at.split(':').map(Number)
  return linkPolicy({
    config: { ...DEFAULT_CONFIG, ...config },
    facts: { ...NO_LINK_FACTS, ...facts },
    traffic: { sentBytes: 0, fetchedBytes: 0, ...traffic },
    nowMs: NOW,
    msOfDay: (hour * 60 + minute) * MINUTE,
  })
}

const NIGHT = { fromMinute: 22 * 60, toMinute: 7 * 60 }
const DAY = { fromMinute: 9 * 60, toMinute: 17 * 60 }
const LOW = { onBattery: true, batteryPercent: 20 }

const CASES: readonly Case[] = [
  { what: 'nothing said, nothing known', gives: ['all', true] },
  {
    what: 'a charger, a full battery, a link that is not metered',
    facts: { metered: false, onBattery: false, batteryPercent: 100 },
    gives: ['all', true],
  },
  { what: 'metered', facts: { metered: true }, gives: ['lan', true, 'on-metered'] },
  { what: 'metered, share', facts: { metered: true }, config: { 'on-metered': 'share' }, gives: ['all', true] },
  {
    what: 'metered, off',
    facts: { metered: true },
    config: { 'on-metered': 'off' },
    gives: ['none', true, 'on-metered'],
  },
  {
    what: 'metered, pause',
    facts: { metered: true },
    config: { 'on-metered': 'pause' },
    gives: ['none', false, 'on-metered'],
  },
  { what: 'not metered, pause', facts: { metered: false }, config: { 'on-metered': 'pause' }, gives: ['all', true] },
  { what: 'on battery, above the charge', facts: { onBattery: true, batteryPercent: 51 }, gives: ['all', true] },
  {
    what: 'on battery, at the charge',
    facts: { onBattery: true, batteryPercent: 50 },
    gives: ['lan', true, 'on-battery'],
  },
  { what: 'on battery of unknown charge', facts: { onBattery: true }, gives: ['lan', true, 'on-battery'] },
  { what: 'low but charging', facts: { onBattery: false, batteryPercent: 5 }, gives: ['all', true] },
  {
    what: 'on battery, full, 100 %',
    facts: { onBattery: true, batteryPercent: 100 },
    config: { 'on-battery-percent': 100, 'on-battery': 'off' },
    gives: ['none', true, 'on-battery'],
  },
  { what: 'low, pause', facts: LOW, config: { 'on-battery': 'pause' }, gives: ['none', false, 'on-battery'] },
  {
    what: 'low and metered: the narrower holds',
    facts: { ...LOW, metered: true },
    config: { 'on-battery': 'off' },
    gives: ['none', true, 'on-metered', 'on-battery'],
  },
  { what: 'share off', config: { share: 'off' }, gives: ['none', true, 'share'] },
  { what: 'share lan-only', config: { share: 'lan-only' }, gives: ['lan', true, 'share'] },
  {
    what: 'share off is not widened by a metered link',
    config: { share: 'off' },
    facts: { metered: true },
    gives: ['none', true, 'share', 'on-metered'],
  },
  { what: 'fetch off', config: { fetch: 'off' }, gives: ['all', false, 'fetch'] },
  { what: 'both off', config: { share: 'off', fetch: 'off' }, gives: ['none', false, 'share', 'fetch'] },
  { what: 'night hours, noon', config: { 'share-hours': NIGHT }, gives: ['lan', true, 'share-hours'] },
  { what: 'night hours, 21:59', config: { 'share-hours': NIGHT }, at: '21:59', gives: ['lan', true, 'share-hours'] },
  { what: 'night hours, 22:00', config: { 'share-hours': NIGHT }, at: '22:00', gives: ['all', true] },
  { what: 'night hours, midnight', config: { 'share-hours': NIGHT }, at: '00:00', gives: ['all', true] },
  { what: 'night hours, 07:00', config: { 'share-hours': NIGHT }, at: '07:00', gives: ['lan', true, 'share-hours'] },
  { what: 'day hours, 08:59', config: { 'share-hours': DAY }, at: '08:59', gives: ['lan', true, 'share-hours'] },
  { what: 'day hours, 09:00', config: { 'share-hours': DAY }, at: '09:00', gives: ['all', true] },
  { what: 'day hours, 17:00', config: { 'share-hours': DAY }, at: '17:00', gives: ['lan', true, 'share-hours'] },
  {
    what: 'until the end of the day, 23:59',
    config: { 'share-hours': { fromMinute: 0, toMinute: 1440 } },
    at: '23:59',
    gives: ['all', true],
  },
  {
    what: 'upload not yet spent',
    config: { 'monthly-upload': 1e9 },
    traffic: { sentBytes: 1e9 - 1, fetchedBytes: 1e12 },
    gives: ['all', true],
  },
  {
    what: 'upload spent',
    config: { 'monthly-upload': 1e9 },
    traffic: { sentBytes: 1e9 },
    gives: ['lan', true, 'monthly-upload'],
  },
  {
    what: 'download spent',
    config: { 'monthly-download': 1e9 },
    traffic: { fetchedBytes: 2e9 },
    gives: ['all', false, 'monthly-download'],
  },
]

test('link policy: each case of the table → whom it gives to, whether it fetches, and why', (t) => {
  for (const { what, gives, ...input } of CASES) {
    const { shareWith, fetch, reasons } = policyOf(input)
    t.deepEqual([shareWith, fetch, ...reasons.map(({ setting }) => setting)], gives, what)
    t.ok(
      reasons.every(({ because }) => because !== ''),
      'each reason in words',
    )
  }
  t.end()
})

test('link policy: a reason → says what it alone would do', (t) => {
  const { reasons } = policyOf({ config: { share: 'off', fetch: 'off' }, facts: { metered: true } })
  t.deepEqual(
    reasons.map(({ setting, shareWith, fetch }) => [setting, shareWith, fetch]),
    [
      ['share', 'none', true],
      ['fetch', 'all', false],
      ['on-metered', 'lan', true],
    ],
  )
  t.end()
})

test('link policy: caps → as configured, whatever else holds', (t) => {
  const caps = { 'upload-cap': 2e6, 'download-cap': 5e6 }
  for (const facts of [{}, { metered: true }]) {
    const { uploadBytesPerSecond, downloadBytesPerSecond } = policyOf({ config: caps, facts })
    t.deepEqual([uploadBytesPerSecond, downloadBytesPerSecond], [2e6, 5e6])
  }
  t.end()
})

test('link policy: when it is computed again → when the hours begin or end, and soon in any case', (t) => {
  const untilOf = (at: string, config: Partial<NodeConfig> = { 'share-hours': NIGHT }): number =>
    policyOf({ at, config }).untilMs - NOW
  t.equal(untilOf('12:00', {}), LINK_LOOK_MS_MAX)
  t.equal(untilOf('12:00'), LINK_LOOK_MS_MAX)
  t.equal(untilOf('22:00'), LINK_LOOK_MS_MAX, 'at the boundary: not at once again')
  const nearly = linkPolicy({
    config: { ...DEFAULT_CONFIG, 'share-hours': NIGHT },
    facts: NO_LINK_FACTS,
    traffic: { sentBytes: 0, fetchedBytes: 0 },
    nowMs: NOW,
    msOfDay: 22 * 60 * MINUTE - 1_500,
  })
  t.equal(nearly.untilMs, NOW + 1_500)
  const endsAtMidnight = { 'share-hours': { fromMinute: 600, toMinute: 1440 } }
  t.equal(untilOf('23:59', endsAtMidnight), Math.min(MINUTE, LINK_LOOK_MS_MAX))
  t.end()
})
