/** Histories read from real logs, honest and hostile: a log that does not hold changes nothing. */
import test, { type Assert } from 'brittle'
import { encodeEvent, type Release } from '../../schemas/events.ts'
import { EVENT_BYTES_MAX } from '../../schemas/limits.ts'
import { digestHex, type DigestHex } from '../../schemas/units.ts'
import { History } from '../../store/history.ts'
import type { NewRoots } from '../../store/release-log.ts'
import { parseWhen, type When } from '../../schemas/when.ts'
import { collect, MAIN, PUBLISHED_AT_MS, sha256, stanza, TestChannel } from '../helpers/channel.ts'
import { codeOf } from '../helpers/refusal.ts'

/** Genesis, stanzas, signed index, release 1, stanzas, signed index, release 2, and what is appended next. */
const [NEWEST, NEXT] = [6, 7]

async function numbersOf(history: History): Promise<number[]> {
  return (await collect(history.releases())).map(({ number }) => number)
}

/** Two releases that hold; what the next one would honestly say, to be bent. */
async function twoReleases(t: Assert): Promise<{ channel: TestChannel; next: Release }> {
  const channel = await TestChannel.create(t)
  await channel.publish({ [MAIN]: stanza('aa', '1') + stanza('bb', '1') })
  await channel.publish({ [MAIN]: stanza('aa', '1') + stanza('bb', '2') })
  const { block, hash } = channel.history.newest as NonNullable<typeof channel.history.newest>
  const next: Release = {
    number: 3,
    publishedAtMs: PUBLISHED_AT_MS + 9000,
    releasedAtMs: PUBLISHED_AT_MS,
    validUntilMs: null,
    previous: { block, hash },
    suite: 'test',
    signedIndexBlock: block - 1,
    indexes: [{ path: MAIN, byteLength: 1, digest: sha256(''), script: [{ op: 'keep', count: 2 }] }],
    roots: [],
    lateRoots: [],
    index: { length: 1, treeHash: Buffer.alloc(32) },
    headBefore: { length: NEXT, fork: 0, treeHash: Buffer.alloc(32), signature: Buffer.alloc(68) },
    chapterBlock: 0,
    noteBlock: 0,
    upstream: null,
    verdicts: null,
  }
  return { channel, next }
}

const script = (...ops: Release['indexes'][number]['script']): Pick<Release, 'indexes'> => ({
  indexes: [{ path: MAIN, byteLength: 1, digest: sha256(''), script: ops }],
})

test('history: releases of a log → read once, in order, and again from the start by another reader', async (t) => {
  const { channel, next } = await twoReleases(t)
  await channel.appendRaw(next)
  await channel.history.advance()
  t.is(channel.history.newest?.number, 3)
  const { newest } = channel.history
  await channel.history.advance()
  t.is(channel.history.newest, newest, 'nothing new')
  const reader = new History(channel.log)
  await reader.advance()
  t.alike(await numbersOf(reader), [1, 2, 3])
  t.alike(await collect(reader.releases()), await collect(channel.history.releases()))
  t.alike(await reader.plan(3), await channel.history.plan(3))
})

test('history: asked twice at once → every release once', async (t) => {
  const { channel } = await twoReleases(t)
  const reader = new History(channel.log)
  await Promise.all([reader.advance(), reader.advance()])
  t.alike(await numbersOf(reader), [1, 2])
})

const HOSTILE: Readonly<Record<string, (next: Release) => Release>> = {
  'the number of the release before': (next) => ({ ...next, number: 2 }),
  'a number left out': (next) => ({ ...next, number: 4 }),
  'number 0': (next) => ({ ...next, number: 0 }),
  'number 1 and no predecessor': (next) => ({ ...next, number: 1, previous: null }),
  'no predecessor': (next) => ({ ...next, previous: null }),
  'another hash for the one before': (next) => ({ ...next, previous: { block: NEWEST, hash: Buffer.alloc(32) } }),
  'the right hash at another block': (next) => ({
    ...next,
    previous: { ...(next.previous as { hash: Buffer }), block: 3 },
  }),
  'itself as predecessor': (next) => ({ ...next, previous: { ...(next.previous as { hash: Buffer }), block: NEXT } }),
  'a predecessor from the future': (next) => ({
    ...next,
    previous: { ...(next.previous as { hash: Buffer }), block: 99 },
  }),
  'a script that stops early': (next) => ({ ...next, ...script({ op: 'keep', count: 1 }) }),
  'a script that goes too far': (next) => ({ ...next, ...script({ op: 'keep', count: 3 }) }),
  'a script for an index that is new': (next) => ({
    ...next,
    indexes: [
      { path: 'main/binary-arm64/Packages', byteLength: 1, digest: sha256(''), script: [{ op: 'keep', count: 2 }] },
    ],
  }),
  'an insert from the future': (next) => ({
    ...next,
    ...script({ op: 'drop', count: 2 }, { op: 'insert', count: 1, block: NEXT, first: 0 }),
  }),
  'an insert of three million stanzas': (next) => ({
    ...next,
    ...script({ op: 'keep', count: 2 }, { op: 'insert', count: 3_000_000, block: 1, first: 0 }),
  }),
  'an insert of 2^50 stanzas': (next) => ({
    ...next,
    ...script({ op: 'keep', count: 2 }, { op: 'insert', count: 2 ** 50, block: 1, first: 0 }),
  }),
  'three indexes of two million stanzas each': (next) => ({
    ...next,
    indexes: ['a', 'b', 'c'].map((path) => ({
      path,
      byteLength: 1,
      digest: sha256(''),
      script: [{ op: 'insert', count: 1_999_999, block: 1, first: 0 }],
    })),
  }),
  'a signed index after the release': (next) => ({ ...next, signedIndexBlock: NEXT }),
}

for (const [what, bend] of Object.entries(HOSTILE)) {
  test(`history: a release with ${what} → EVENT_INVALID, and the history is as it was`, async (t) => {
    const { channel, next } = await twoReleases(t)
    const { newest } = channel.history
    const plan = await channel.history.plan(2)
    t.is(newest?.block, NEWEST)
    await channel.appendRaw(bend(next))
    t.is(await codeOf(channel.history.advance()), 'EVENT_INVALID')
    t.is(channel.history.newest, newest)
    t.is(await channel.history.plan(2), plan)
  })
}

test('history: a good release on top of a bad one → none of both is taken', async (t) => {
  const { channel, next } = await twoReleases(t)
  const bad = { ...next, ...script({ op: 'keep', count: 9 }) }
  const hash = sha256(encodeEvent({ type: 'release', ...bad }))
  await channel.appendRaw(bad, { ...next, number: 4, previous: { block: NEXT, hash } })
  t.is(await codeOf(channel.history.advance()), 'EVENT_INVALID')
  t.is(channel.history.newest?.number, 2)
})

test('history: blocks that are no events at the end of the log → the code says which kind', async (t) => {
  const { channel } = await twoReleases(t)
  await channel.appendRaw(Buffer.from([2, 1, 255, 255]))
  t.is(await codeOf(channel.history.advance()), 'EVENT_INVALID')
  const other = (await twoReleases(t)).channel
  await other.appendRaw(Buffer.from([2, 7, 0]))
  t.is(await codeOf(other.history.advance()), 'VERSION_UNSUPPORTED')
  await other.appendRaw(Buffer.alloc(EVENT_BYTES_MAX + 1))
  t.is(await codeOf(other.history.advance()), 'EVENT_INVALID')
  t.is(other.history.newest?.number, 2)
})

test('history: unknown events that may be skipped, and a heartbeat, at the end → the newest release is found', async (t) => {
  const { channel, next } = await twoReleases(t)
  await channel.appendRaw(next, Buffer.from([64, 1, 1, 2, 3]))
  t.alike(await channel.log.newest(), { releaseBlock: NEXT, noteBlock: 0 })
  const heartbeat = { type: 'heartbeat', atMs: 1, validUntilMs: 2, releaseBlock: NEXT, noteBlock: 0 } as const
  await channel.appendRaw(encodeEvent(heartbeat), Buffer.from([200, 1]))
  t.alike(await channel.log.newest(), { releaseBlock: NEXT, noteBlock: NEXT + 2 })
  await channel.history.advance()
  t.is(channel.history.newest?.number, 3)
  await channel.appendRaw(encodeEvent({ ...heartbeat, releaseBlock: NEWEST }))
  t.is(await codeOf(channel.history.advance()), 'accepted', 'a heartbeat that names no newer release brings nothing')
  await channel.appendRaw(encodeEvent({ ...heartbeat, releaseBlock: NEXT + 1 }))
  t.is(await codeOf(channel.history.advance()), 'EVENT_INVALID', 'one that names a block which is no release')
  await channel.appendRaw(encodeEvent({ ...heartbeat, releaseBlock: 2 ** 40 }))
  t.is(await codeOf(channel.history.advance()), 'EVENT_INVALID')
})

test('history: plans of past releases → as they were folded, in any order; beyond the newest RELEASE_UNKNOWN', async (t) => {
  const channel = await TestChannel.create(t)
  const folded = []
  for (let number = 1; number <= 8; number++) {
    await channel.publish({ [MAIN]: stanza('aa', '1') + stanza('bb', String(number)) })
    folded.push(await channel.history.plan(number))
  }
  const reader = new History(channel.log)
  await reader.advance()
  for (const number of [8, 3, 1, 7, 2, 6, 3, 4, 5]) t.alike(await reader.plan(number), folded[number - 1])
  for (const number of [0, 9, -1, 1.5]) t.is(await codeOf(reader.plan(number)), 'RELEASE_UNKNOWN', String(number))
})

test('history: WHEN → the release of that number, or current at that time', async (t) => {
  const { channel } = await twoReleases(t)
  const { history } = channel
  const numberOf = async (when: When): Promise<number> => (await history.resolve(when)).number
  const at = (ms: number): Promise<number> => numberOf({ kind: 'time', atMs: PUBLISHED_AT_MS + ms })
  t.is(await numberOf(parseWhen(null)), 2)
  t.is(await numberOf(parseWhen('#1')), 1)
  t.alike([await at(0), await at(999), await at(1000), await at(1e12)], [1, 1, 2, 2])
  for (const when of ['0', '3', '1999-01-01', 'tag']) {
    t.is(await codeOf(() => history.resolve(parseWhen(when))), 'RELEASE_UNKNOWN', when)
  }
  const empty = await TestChannel.create(t)
  await empty.history.advance()
  t.is(await codeOf(() => empty.history.resolve(parseWhen(null))), 'NO_RELEASE')
})

test('history: piece roots → with the release that brought the stanza, late ones as of the release that brought them', async (t) => {
  const channel = await TestChannel.create(t)
  const digestOf = (content: string): DigestHex => digestHex(sha256(content))
  const root = (content: string, value: string): NewRoots['roots'] => [
    { digest: sha256(content), piecesRoot: sha256(value) },
  ]
  await channel.publish({ [MAIN]: stanza('aa', '1') + stanza('bb', '1') }, {}, { roots: root('aa 1', 'early') })
  await channel.publish({ [MAIN]: stanza('aa', '1') + stanza('bb', '2') }, {}, { roots: root('bb 2', 'second') })
  await channel.publish({ [MAIN]: stanza('aa', '1') + stanza('bb', '1') }, {}, { lateRoots: root('bb 1', 'late') })
  const reader = new History(channel.log)
  await reader.advance()
  const rootAt = async (number: number, content: string, block: number): Promise<Buffer | null> =>
    reader.rootOf(await reader.plan(number), digestOf(content), block)
  t.alike(await rootAt(1, 'aa 1', 1), sha256('early'))
  t.alike(await rootAt(3, 'aa 1', 1), sha256('early'))
  t.alike(await rootAt(2, 'bb 2', 4), sha256('second'))
  t.is(await rootAt(2, 'bb 1', 1), null, 'not known yet as of release 2')
  t.alike(await rootAt(3, 'bb 1', 1), sha256('late'))
})
