/** Audits of logs that hold: nothing is found, and everything was looked at. */
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { PIECE_BYTES } from '../../schemas/limits.ts'
import { digestHex } from '../../schemas/units.ts'
import type { AuditProgress } from '../../store/audit/audit-channel.ts'
import { chooseReleases } from '../../store/audit/choose-releases.ts'
import { Pool } from '../../store/pool.ts'
import { auditOf, failuresOf, indexesOf, publishMirrors, publishTag } from '../helpers/audit.ts'
import { type Indexes, MAIN, scratchFolder, sha256, stanza, TestChannel } from '../helpers/channel.ts'

/** A hundred releases take seconds on a busy machine. */
const LONG = { timeout: 180_000 }

/** Two chapters, tags between, and piece roots with stanzas, late ones, and late ones of packages that leave. */
async function longChannel(t: Assert, releases: number): Promise<TestChannel> {
  const channel = await TestChannel.create(t)
  const rootOf = (content: string): { digest: Buffer; piecesRoot: Buffer } => ({
    digest: sha256(content),
    piecesRoot: sha256(`root of ${content}`),
  })
  for (let number = 1; number <= releases; number++) {
    const contrib = rootOf(`contrib ${Math.floor(number / 3)}`)
    const isNew = number % 3 === 0 && number % 6 !== 0
    const roots = isNew ? [contrib] : []
    const lateRoots = number % 9 === 8 ? [rootOf(`shared ${Math.floor(number / 9)}`)] : []
    await channel.publish(indexesOf(number), {}, { roots, lateRoots })
    if (number % 50 === 0) await publishMirrors(channel, 'http://a', `http://mirror${number}/debian`)
    if (number % 30 === 0) await publishTag(channel, `tag${number}`, number - 1)
  }
  return channel
}

test(
  'audit: chapters, tags, late roots, several indexes → everything holds, from the start or from a release on',
  LONG,
  async (t) => {
    const channel = await longChannel(t, 130)
    const seen = new Map<string, AuditProgress>()
    const report = await auditOf(t, channel, { onProgress: (progress) => void seen.set(progress.phase, progress) })
    t.alike([failuresOf(report), report.unchecked], [[], []])
    t.ok(report.ok)
    t.alike([report.releases, report.first, report.last, report.blocks], [130, 1, 130, channel.log.length])
    t.alike(report.signers, [{ fingerprint: 'KEY', releases: 130, channelKey: false }])
    t.alike([...seen.keys()].sort(), ['audit-blocks', 'audit-lookup', 'audit-releases'])
    t.ok([...seen.values()].every(({ done, total }) => done <= total))

    for (const since of [2, 65, 129]) {
      const late = await auditOf(t, channel, { since })
      t.alike([failuresOf(late), late.unchecked], [[], []], `since ${since}`)
      t.alike([late.ok, late.releases, late.first], [true, 131 - since, since])
    }
    const sampled = await auditOf(t, channel, { sample: { count: 9, seed: 'a' } })
    t.alike([failuresOf(sampled), sampled.unchecked, sampled.ok, sampled.releases], [[], [], true, 130])
    t.alike(sampled.sample, { seed: 'a', releases: chooseReleases(1, 130, 9, 'a') })
    t.ok(sampled.indexBytes > 0 && sampled.indexBytes < report.indexBytes / 5)
  },
)

test('audit: a channel without a release, an empty index → hold', async (t) => {
  const channel = await TestChannel.create(t)
  const before = await auditOf(t, channel)
  t.alike([before.ok, before.releases, before.blocks, failuresOf(before)], [true, 0, 1, []])
  const indexes: Indexes[] = [{ [MAIN]: '' }, { [MAIN]: '\n' }, { [MAIN]: stanza('aa', '1') }, { [MAIN]: '' }, {}]
  for (const each of indexes) await channel.publish(each)
  const after = await auditOf(t, channel)
  t.alike([after.ok, after.releases, failuresOf(after)], [true, 5, []])
})

test('audit: beyond the newest release → RELEASE_UNKNOWN', async (t) => {
  const channel = await TestChannel.create(t)
  await channel.publish({ [MAIN]: stanza('aa', '1') })
  await t.exception(auditOf(t, channel, { since: 2 }), /has no release #2/)
})

test('audit: interrupted between two releases → ends, and leaves nothing in the scratch folder', async (t) => {
  const channel = await TestChannel.create(t)
  for (const version of ['1', '2', '3']) await channel.publish({ [MAIN]: stanza('aa', version) })
  const [abort, scratch] = [new AbortController(), await scratchFolder(t)]
  const onProgress = ({ phase }: AuditProgress): void => {
    if (phase === 'audit-releases') abort.abort()
  }
  await t.exception(auditOf(t, channel, { signal: abort.signal, scratch, onProgress }), /interrupted/)
  t.alike(await readdir(scratch), [])
})

test('audit: a key that nobody has → not ok, and nothing found false', async (t) => {
  const channel = await TestChannel.create(t)
  for (const version of ['1', '2', '3']) await channel.publish({ [MAIN]: stanza('aa', version) })
  const report = await auditOf(t, channel, { judge: async () => ({ kind: 'unknown', reason: 'no keyring has it' }) })
  t.alike([report.ok, report.failures.length, report.unchecked.length], [false, 0, 1])
  t.is(report.unchecked[0]?.code, 'IN_RELEASE_KEY_UNKNOWN')
  t.ok(report.unchecked[0]?.message.includes('2 more'))
})

test('audit: files of the pool → hashed as wholes, with their roots; a swapped one is named', async (t) => {
  const folder = await scratchFolder(t)
  const pool = await Pool.open(join(folder, 'pool'))
  t.teardown(() => pool.close())
  const [small, medium, large] = ['small', 'm'.repeat(59_000), 'x'.repeat(3 * PIECE_BYTES + 5)]
  const contents = [small, medium, large, 'of another channel']
  for (const content of contents) {
    await writeFile(join(folder, 'source'), content)
    await pool.ingest(join(folder, 'source'), { digest: digestHex(sha256(content)), byteLength: content.length })
  }
  const channel = await TestChannel.create(t)
  const rootOf = async (content: string): Promise<{ digest: Buffer; piecesRoot: Buffer }> => {
    const { piecesRoot } = await pool.hashed(digestHex(sha256(content)))
    return { digest: sha256(content), piecesRoot: piecesRoot as Buffer }
  }
  const stanzas = [small, medium, large, 'not here'].map((content, i) => stanza(`pkg${i}`, '1', { content }))
  await channel.publish({ [MAIN]: stanzas.join('') }, {}, { roots: [await rootOf(medium), await rootOf(large)] })
  const report = await auditOf(t, channel, { pool })
  t.alike(failuresOf(report), [])
  t.alike(report.artifacts, { files: 3, bytes: small.length + medium.length + large.length })
  const older = await TestChannel.create(t)
  await older.publish({ [MAIN]: stanzas.join('') }, {}, { roots: [await rootOf(large)] })
  t.alike(failuresOf(await auditOf(t, older, { pool })), [], 'a file of one piece need not have a root')
  const wrong = await TestChannel.create(t)
  const others = [medium, large].map((content) => ({ digest: sha256(content), piecesRoot: sha256('no') }))
  await wrong.publish({ [MAIN]: stanzas.join('') }, {}, { roots: others })
  const named = [medium, large].map((content) => `ARTIFACT_ROOT_WRONG digest=${digestHex(sha256(content))} release=1`)
  t.alike(failuresOf(await auditOf(t, wrong, { pool })).sort(), named.sort(), 'what is stated is checked')

  const digest = digestHex(sha256(large))
  await writeFile(pool.pathOf(digest) ?? '', 'y'.repeat(large.length))
  const swapped = await auditOf(t, channel, { pool })
  t.alike(failuresOf(swapped), [`ARTIFACT_CHANGED digest=${digest} release=1`])
  t.is((await auditOf(t, channel)).ok, true, 'without the pool the log still holds')
})
