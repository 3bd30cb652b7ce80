/** Settings and the text of a config file: what is taken, what is refused and where it is said to stand, what an edit leaves alone. */
import fc from 'fast-check'
import test from 'tape'
import { editConfig, parseConfig } from '../../schemas/config-text.ts'
import { FreshetError } from '../../schemas/errors.ts'
import { BUDGET_BYTES_MAX, RATE_BYTES_PER_S_MAX, RATE_BYTES_PER_S_MIN } from '../../schemas/limits.ts'
import { DEFAULT_CONFIG, SETTING_NAMES, SETTINGS, settingText } from '../../schemas/node-config.ts'
import type { SettingName } from '../../schemas/node-config.ts'

const PATH = '/home/anna/freshet.conf'

function valueOf(name: SettingName, text: string): unknown {
  return parseConfig(`${name} = ${text}\n`, PATH).config[name]
}

function errorOf(text: string): FreshetError {
  try {
    parseConfig(text, PATH)
  } catch (error) {
    if (error instanceof FreshetError) return error
    throw error
  }
  throw new Error(`accepted: ${text}`)
}

test('settings: what people write → the value', (t) => {
  const cases: readonly (readonly [SettingName, string, unknown])[] = [
    ['upload-cap', '2M', 2e6],
    ['upload-cap', '2 MB/s', 2e6],
    ['upload-cap', '2MiB', 2 * 2 ** 20],
    ['upload-cap', '500K', 5e5],
    ['upload-cap', '1.5M', 1.5e6],
    ['upload-cap', '10Mbit/s', 1.25e6],
    ['upload-cap', '800kbit', 1e5],
    ['upload-cap', '250000', 250_000],
    ['upload-cap', '20000 bytes/s', 20_000],
    ['upload-cap', 'off', null],
    ['upload-cap', 'OFF', null],
    ['monthly-upload', '20G', 2e10],
    ['monthly-upload', '1.5TB', 1.5e12],
    ['monthly-download', 'off', null],
    ['share', 'lan-only', 'lan-only'],
    ['share', 'On', 'on'],
    ['fetch', 'off', 'off'],
    ['on-metered', 'pause', 'pause'],
    ['on-battery-percent', '100', 100],
    ['on-battery-percent', '40 %', 40],
    ['share-hours', '22:00-07:00', { fromMinute: 22 * 60, toMinute: 7 * 60 }],
    ['share-hours', '00:00 - 24:00', { fromMinute: 0, toMinute: 24 * 60 }],
    ['share-hours', 'off', null],
    ['tcp-port', '0', 0],
    ['tcp-port', '65535', 65_535],
    ['tcp-port', 'Off', null],
  ]
  for (const [name, text, value] of cases) t.deepEqual(valueOf(name, text), value, `${name} = ${text}`)
  t.end()
})

test('settings: what cannot be meant → CONFIG_INVALID with file, line and name', (t) => {
  const cases: readonly (readonly [SettingName, string])[] = [
    ['tcp-port', '65536'],
    ['tcp-port', '-1'],
    ['tcp-port', '0x50'],
    ['tcp-port', '4.5'],
    ['tcp-port', ''],
    ['tcp-port', 'any'],
    ['upload-cap', '-1'],
    ['upload-cap', '-2M'],
    ['upload-cap', '0'],
    ['upload-cap', '9K'],
    ['upload-cap', '2Mb'],
    ['upload-cap', '2Mbps'],
    ['upload-cap', '2 furlongs'],
    ['upload-cap', '1e9'],
    ['upload-cap', '2,5M'],
    ['upload-cap', '999T'],
    ['upload-cap', 'NaN'],
    ['upload-cap', ''],
    ['upload-cap', 'none'],
    ['monthly-upload', '20G/s'],
    ['monthly-upload', '20Gbit'],
    ['monthly-upload', '10K'],
    ['monthly-download', '9999999T'],
    ['share', 'yes'],
    ['fetch', 'lan-only'],
    ['on-battery', 'on'],
    ['on-battery-percent', '0'],
    ['on-battery-percent', '101'],
    ['on-battery-percent', '4.5'],
    ['share-hours', '22-7'],
    ['share-hours', '22:00'],
    ['share-hours', '25:00-07:00'],
    ['share-hours', '22:60-07:00'],
    ['share-hours', '24:00-07:00'],
    ['share-hours', '08:00-24:01'],
    ['share-hours', '08:00-08:00'],
  ]
  for (const [name, text] of cases) {
    const { code, message, detail } = errorOf(`# mine\n\n\n${name} = ${text}`)
    t.deepEqual([code, detail['path'], detail['key']], ['CONFIG_INVALID', PATH, name], `${name} = ${text}: ${message}`)
    t.ok(message.startsWith(`${PATH}:4: ${name}: `), 'file, line and name')
    t.equal(detail['line'], 4)
  }
  t.end()
})

test('settings: any value within the bounds → written and read back the same', (t) => {
  const rates = fc.option(fc.integer({ min: RATE_BYTES_PER_S_MIN, max: RATE_BYTES_PER_S_MAX }))
  const budgets = fc.option(fc.integer({ min: 1_000_000, max: BUDGET_BYTES_MAX }))
  const hours = fc
    .tuple(fc.integer({ min: 0, max: 1439 }), fc.integer({ min: 0, max: 1440 }))
    .filter(([from, to]) => from !== to)
    .map(([fromMinute, toMinute]) => ({ fromMinute, toMinute }))
  fc.assert(
    fc.property(rates, budgets, fc.option(hours), (cap, budget, window) => {
      const pairs = [
        ['upload-cap', cap],
        ['monthly-download', budget],
        ['share-hours', window],
      ] as const
      return pairs.every(
        ([name, value]) => JSON.stringify(valueOf(name, settingText(name, value))) === JSON.stringify(value),
      )
    }),
    { numRuns: 2000 },
  )
  for (const name of SETTING_NAMES) {
    t.deepEqual(valueOf(name, settingText(name, DEFAULT_CONFIG[name])), DEFAULT_CONFIG[name], name)
    t.ok(/^[a-z].*\.$/.test(SETTINGS[name].means), 'a sentence')
  }
  t.end()
})

test('config text: comments, blank lines, CRLF, no last newline → what is said; nothing → the defaults', (t) => {
  const { config, written } = parseConfig('# caps\r\n\r\n  upload-cap=2M   # evenings\r\nshare =lan-only', PATH)
  t.deepEqual(config, { ...DEFAULT_CONFIG, 'upload-cap': 2e6, share: 'lan-only' })
  t.deepEqual(
    [...written],
    [
      ['upload-cap', '2M'],
      ['share', 'lan-only'],
    ],
  )
  for (const text of ['', '\n\n', '# share = off', '   ']) t.deepEqual(parseConfig(text, PATH).config, DEFAULT_CONFIG)
  t.end()
})

test('config text: a line that is not one, an unknown name, a name twice → CONFIG_INVALID at its line', (t) => {
  const cases: readonly (readonly [string, number, string])[] = [
    ['share', 1, '"share"'],
    ['\n= on', 2, '"= on"'],
    ['share: on', 1, '"share: on"'],
    ['[sharing]', 1, '"[sharing]"'],
    ['share = on\n\nbandwidth = 5', 3, 'there is no setting "bandwidth"'],
    ['Share = on', 1, 'there is no setting "Share"'],
    ['__proto__ = on', 1, 'there is no setting "__proto__"'],
    ['toString = on', 1, 'there is no setting "toString"'],
    ['share = on\nfetch = on\nshare = on', 3, 'share stands in the file twice'],
    ['{"share": "on"}', 1, 'is not a line'],
    [`share = ${'x'.repeat(60_000)}`, 1, 'share'],
    ['x'.repeat(60_000), 1, '...'],
  ]
  for (const [text, line, said] of cases) {
    const { code, message, detail } = errorOf(text)
    t.deepEqual([code, detail['line']], ['CONFIG_INVALID', line], message.slice(0, 120))
    t.ok(message.includes(said) && message.length < 500 && !message.includes('\n'), 'one line that says what')
  }
  t.end()
})

test('config text: an edit → that line only; a name that is new → at the end; taken out → its lines', (t) => {
  const text = '# my caps\nupload-cap = 2M # evenings\r\n\n  share=on'
  t.equal(editConfig(text, 'upload-cap', '3M'), '# my caps\nupload-cap = 3M # evenings\r\n\n  share=on\n')
  t.equal(editConfig(text, 'share', 'off'), '# my caps\nupload-cap = 2M # evenings\r\n\n  share=off\n')
  t.equal(editConfig(text, 'fetch', 'off'), `${text}\nfetch = off\n`)
  t.equal(editConfig(text, 'upload-cap', null), '# my caps\n\n  share=on\n')
  t.equal(editConfig('', 'fetch', 'off'), 'fetch = off\n')
  t.equal(editConfig('fetch = off\n', 'fetch', null), '')
  t.equal(editConfig('fetch =\n', 'fetch', 'off'), 'fetch =off\n')
  t.equal(editConfig('share = on\nshare = off\n', 'share', 'lan-only'), 'share = lan-only\n', 'said twice: once')
  t.end()
})

test('config text: any text, any edit → other settings and comments as they were, or the same refusal', (t) => {
  const line = fc.oneof(
    fc.constantFrom(
      'share = on',
      'fetch=off # why',
      '# note',
      '',
      ' upload-cap = 5M ',
      'on-metered = pause',
      'nonsense',
    ),
    fc.string(),
  )
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), fc.constantFrom('share', 'fetch', 'on-battery'), (lines, name) => {
      const text = lines.join('\n')
      const edited = editConfig(editConfig(text, name, 'off'), name, null)
      const commentsOf = (of: string): string[] => of.split('\n').filter((one) => /^\s*#/.test(one))
      if (commentsOf(edited).join() !== commentsOf(text).join()) return false
      let before
      try {
        before = parseConfig(text, PATH)
      } catch {
        return true // what is wrong elsewhere stays wrong
      }
      const after = parseConfig(edited, PATH)
      return JSON.stringify({ ...before.config, [name]: 0 }) === JSON.stringify({ ...after.config, [name]: 0 })
    }),
    { numRuns: 2000 },
  )
  t.pass('2000 texts')
  t.end()
})
