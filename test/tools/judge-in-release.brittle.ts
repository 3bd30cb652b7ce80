/** Who may have signed the past of a channel: named keys, those of the channel, keys that have expired since. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'brittle'
import * as openpgp from 'openpgp'
import { clearSign, createSigningKey } from '../../tools/import/openpgp.ts'
import { inReleaseJudge } from '../../tools/judge-in-release.ts'
import { scratchFolder } from '../helpers/channel.ts'

const TEXT = 'Origin: Test\nSuite: test\n'
const NOW_MS = Date.UTC(2026, 0, 1)
const DAY_MS = 86_400_000

test('judge: by the key of the channel, altered, by a stranger → good, forged, not known', async (t) => {
  const [own, stranger] = [await createSigningKey('own'), await createSigningKey('stranger')]
  const judge = await inReleaseJudge({ named: [], channelKey: Buffer.from(own.publicKey), nowMs: Date.now() })
  const signed = await clearSign(TEXT, own.privateKey)
  const good = await judge(signed, Date.now())
  t.is(good.kind, 'good')
  t.is(good.kind === 'good' && good.channelKey, true)
  const altered = Buffer.from(signed.toString().replace('Suite: test', 'Suite: text'))
  t.is((await judge(altered, Date.now())).kind, 'forged')
  t.is((await judge(Buffer.from(TEXT), Date.now())).kind, 'forged', 'no signature at all')
  t.is((await judge(await clearSign(TEXT, stranger.privateKey), Date.now())).kind, 'unknown')
})

test('judge: named keys alone → the key of the channel does not count, and a stranger has forged', async (t) => {
  const [own, named] = [await createSigningKey('own'), await createSigningKey('named')]
  const path = join(await scratchFolder(t), 'named.asc')
  await writeFile(path, named.publicKey)
  const judge = await inReleaseJudge({ named: [path], channelKey: Buffer.from(own.publicKey), nowMs: Date.now() })
  const good = await judge(await clearSign(TEXT, named.privateKey), Date.now())
  t.alike([good.kind, good.kind === 'good' && good.channelKey], ['good', false])
  t.is((await judge(await clearSign(TEXT, own.privateKey), Date.now())).kind, 'forged')
})

test('judge: a key that has expired since → good for what was published before that, forged after it', async (t) => {
  const madeAtMs = NOW_MS - 100 * DAY_MS
  const { privateKey, publicKey } = await openpgp.generateKey({
    type: 'ecc',
    curve: 'ed25519Legacy',
    userIDs: [{ name: 'short' }],
    date: new Date(madeAtMs),
    keyExpirationTime: (10 * DAY_MS) / 1000,
    format: 'object',
    config: { v6Keys: false },
  })
  const message = await openpgp.createCleartextMessage({ text: TEXT.trimEnd() })
  const signed = await openpgp.sign({ message, signingKeys: privateKey, date: new Date(madeAtMs + DAY_MS) })
  const judge = await inReleaseJudge({ named: [], channelKey: Buffer.from(publicKey.armor()), nowMs: NOW_MS })
  t.is((await judge(Buffer.from(signed), madeAtMs + 2 * DAY_MS)).kind, 'good')
  t.is((await judge(Buffer.from(signed), madeAtMs + 20 * DAY_MS)).kind, 'forged')
})

test('judge: a channel whose key cannot be read → needs another', async (t) => {
  const own = await createSigningKey('own')
  const judge = await inReleaseJudge({ named: [], channelKey: Buffer.from('key'), nowMs: Date.now() })
  t.is((await judge(await clearSign(TEXT, own.privateKey), Date.now())).kind, 'unknown')
})
