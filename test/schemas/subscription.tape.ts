/** What a person may ask to be told: filters, globs, intervals and URLs, and what is refused with which code. */
import fc from 'fast-check'
import test from 'tape'
import { decodeRecord, encodeRecord } from '../../schemas/codec.ts'
import { FILTER_GLOBS_MAX, GLOB_BYTES_MAX, TARGET_PLACE_BYTES_MAX } from '../../schemas/limits.ts'
import { matchesGlob, requireGlob } from '../../schemas/package-glob.ts'
import { changedSubscription, EVERYTHING, subscription, type SubscriptionChange } from '../../schemas/subscription.ts'
import { requireWebhookUrl } from '../../schemas/webhook-url.ts'
import { refusalOf } from '../helpers/refusal.ts'

test('package glob: as a regular expression would have it', (t) => {
  const letters = (characters: string) => fc.string({ unit: fc.constantFrom(...characters), maxLength: 8 })
  fc.assert(
    fc.property(letters('ab.*?'), letters('ab.'), (glob, name) => {
      const pattern = glob.replaceAll('.', '\\.').replaceAll('*', '.*').replaceAll('?', '.')
      return matchesGlob(glob, name) === new RegExp(`^${pattern}$`).test(name)
    }),
    { numRuns: 20_000 },
  )
  t.ok(matchesGlob('lib*-dev', 'libssl-dev'))
  t.notOk(matchesGlob('lib', 'libssl'), 'the whole name')
  t.notOk(matchesGlob(`${'a*'.repeat(90)}b`, 'a'.repeat(190)), 'and soon, however it is written')
  t.end()
})

test('package glob: characters that no package has, nothing, too much → GLOB_INVALID', (t) => {
  for (const glob of ['', 'Lib*', '[ab]*', 'a b', '../*', 'ä', 'a\n', 'a'.repeat(GLOB_BYTES_MAX + 1)]) {
    t.equal(
      refusalOf(() => requireGlob(glob)),
      'GLOB_INVALID',
      JSON.stringify(glob.slice(0, 10)),
    )
  }
  t.equal(requireGlob('g++-?.*'), 'g++-?.*')
  t.end()
})

test('subscription: what is named replaces what was, and survives its encoding', (t) => {
  const one = changedSubscription(EVERYTHING, { packages: ['a*', 'a*'], urgency: 'high', interval: 'daily' })
  t.deepEqual(one, { ...EVERYTHING, packages: ['a*'], urgency: 'high', interval: 'daily' })
  const two = changedSubscription(one, {
    packages: [],
    sections: ['non-free-firmware/admin'],
    urgency: null,
    installed: true,
  })
  t.deepEqual(two, {
    ...EVERYTHING,
    sections: ['non-free-firmware/admin'],
    installed: true,
    interval: 'daily',
  })
  t.deepEqual(decodeRecord(subscription, encodeRecord(subscription, two)), two)
  t.end()
})

test('subscription: what no package can have → FILTER_INVALID or GLOB_INVALID', (t) => {
  const table: [SubscriptionChange, string][] = [
    [{ packages: ['A'] }, 'GLOB_INVALID'],
    [{ packages: Array.from({ length: FILTER_GLOBS_MAX + 1 }, (_, i) => `p${i}`) }, 'FILTER_INVALID'],
    [{ sections: ['a/b/c'] }, 'FILTER_INVALID'],
    [{ sections: [''] }, 'FILTER_INVALID'],
    [{ sections: ['a'.repeat(65)] }, 'FILTER_INVALID'],
    [{ priorities: ['urgent'] }, 'FILTER_INVALID'],
    [{ priorities: Array.from({ length: 20 }, () => 'extra') }, 'FILTER_INVALID'],
    [{ architectures: ['AMD64'] }, 'FILTER_INVALID'],
    [{ urgency: 'very' }, 'FILTER_INVALID'],
    [{ urgency: '' }, 'FILTER_INVALID'],
    [{ interval: 'weekly' }, 'FILTER_INVALID'],
    [{ statusFile: 'status' }, 'FILTER_INVALID'],
    [{ statusFile: '/a\0b' }, 'FILTER_INVALID'],
  ]
  for (const [change, code] of table) {
    t.equal(
      refusalOf(() => changedSubscription(EVERYTHING, change)),
      code,
      JSON.stringify(change).slice(0, 60),
    )
  }
  t.end()
})

test('webhook url: normalised; what cannot be one → WEBHOOK_INVALID, and no password in the message', (t) => {
  t.equal(requireWebhookUrl('HTTPS://Example.org/hook?token=1'), 'https://example.org/hook?token=1')
  for (const url of [
    '',
    'example.org/hook',
    'ftp://example.org/',
    'file:///etc/passwd',
    'http://user@example.org/',
    'http://example.org/#there',
    `http://example.org/${'a'.repeat(TARGET_PLACE_BYTES_MAX)}`,
  ]) {
    t.equal(
      refusalOf(() => requireWebhookUrl(url)),
      'WEBHOOK_INVALID',
      url.slice(0, 40),
    )
  }
  t.throws(
    () => requireWebhookUrl('http://me:secret@example.org/'),
    (error: Error) => !error.message.includes('secret'),
  )
  t.end()
})
