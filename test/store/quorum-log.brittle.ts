/** A log that several people sign: prepared, signed apart, committed; and what is refused on the way. */
import { join } from 'node:path'
import test from 'brittle'
import { expectEvent } from '../../schemas/events.ts'
import { keyHex } from '../../schemas/units.ts'
import { requestBytes } from '../../store/prepared-releases.ts'
import { verifyHead } from '../../store/head-evidence.ts'
import { UNSIGNED } from '../../store/quorum.ts'
import { ReleaseLog } from '../../store/release-log.ts'
import { MAIN, NO_ROOTS, openStore, scratchFolder, stanza, TestChannel } from '../helpers/channel.ts'
import { codeOf } from '../helpers/refusal.ts'
import { joinStores } from '../helpers/replicas.ts'
import { answer, answers, signerOf, SIGNERS, twoOfThree } from '../helpers/signers.ts'

const FIRST = { [MAIN]: stanza('aa', '1') }
const SECOND = { [MAIN]: stanza('aa', '2') }
const [ANNA, BELA, CARO] = SIGNERS

test('quorum log: 2 of 3 → one signature releases nothing, two do, and so on for the next release', async (t) => {
  const channel = await TestChannel.createQuorum(t, twoOfThree())
  const prepared = await channel.prepare(FIRST)
  t.is(channel.log.length, 1, 'preparing appends nothing')
  const one = answers(prepared.request, ANNA)
  t.is(await codeOf(channel.quorum.commit(prepared, one)), 'QUORUM_SHORT')
  t.is(await codeOf(channel.quorum.commit(prepared, [...one, ...one])), 'QUORUM_SHORT', 'the same signer twice')
  t.is(await codeOf(channel.quorum.commit(prepared, [])), 'QUORUM_SHORT')
  t.is(channel.log.length, 1)
  await channel.commit(prepared, FIRST, answers(prepared.request, CARO, ANNA))
  t.is(channel.log.length, prepared.request.target.length)
  const next = await channel.prepare(SECOND)
  await channel.commit(next, SECOND, answers(next.request, BELA, CARO, ANNA))
  t.is(channel.history.newest?.number, 2)
  const { index, headBefore } = expectEvent('release', await channel.log.event(channel.log.length - 1), 0)
  const found = await (await channel.log.indexAt(index)).versions('aa')
  t.alike(found.map(({ version }) => version).sort(), ['1', '2'], 'the index grew with the log')
  const { log, logKey } = twoOfThree()
  t.ok(verifyHead(logKey, log, headBefore), 'the log carries the evidence of the head before')
})

test('quorum log: prepared twice → the same bytes, and nothing is left of the rehearsal', async (t) => {
  const channel = await TestChannel.createQuorum(t, twoOfThree())
  const [one, two] = [await channel.prepare(FIRST), await channel.prepare(FIRST)]
  t.ok(requestBytes(one.request).equals(requestBytes(two.request)))
  t.alike(one, two)
  await channel.commit(one, FIRST, answers(two.request, ANNA, BELA))
  t.is(channel.history.newest?.number, 1)
})

test('quorum log: a wrong signature → named with signer and file, also when two others would do', async (t) => {
  const channel = await TestChannel.createQuorum(t, twoOfThree())
  const prepared = await channel.prepare(FIRST)
  const [anna, bela, caro] = answers(prepared.request, ANNA, BELA, CARO) as [never, never, never]
  const forged = (named: ReturnType<typeof answer>, change: object) => ({
    ...named,
    file: { ...named.file, ...change },
  })
  const other = await channel.prepare({ [MAIN]: stanza('bb', '1') })
  for (const [what, signature, code] of [
    ['garbage for the log', forged(caro, { logSignature: Buffer.alloc(64, 255) }), 'SIGNATURE_WRONG'],
    ['garbage for the index', forged(caro, { indexSignature: Buffer.alloc(64) }), 'SIGNATURE_WRONG'],
    ['none for the index', forged(caro, { indexSignature: null }), 'SIGNATURE_WRONG'],
    ['that of somebody else', forged(caro, { signer: ANNA.publicKey }), 'SIGNATURE_WRONG'],
    ['for other content', answer(other.request, CARO), 'SIGNATURE_WRONG'],
    ['for another channel', forged(caro, { key: Buffer.alloc(32) }), 'SIGNATURE_WRONG'],
    ['of a stranger', forged(caro, { signer: signerOf(9).publicKey }), 'SIGNER_UNKNOWN'],
  ] as const) {
    const committing = channel.quorum.commit(prepared, [anna, bela, signature])
    const error = await committing.then(() => null).catch((refused: { code: string; detail: object }) => refused)
    t.is(error?.code, code, what)
    t.alike(Object.keys(error?.detail ?? {}), ['signer', 'file'], 'names them')
  }
  t.is(channel.log.length, 1, 'nothing was appended')
})

test('quorum log: an append of one key, a note, a core session without signatures → refused', async (t) => {
  const channel = await TestChannel.createQuorum(t, twoOfThree())
  const composed = await channel.compose(FIRST)
  t.is(await codeOf(channel.log.append(composed, Promise.resolve(NO_ROOTS))), 'QUORUM_NEEDED')
  const note = { type: 'heartbeat', atMs: 0, releaseBlock: 0, noteBlock: 0, validUntilMs: 1 } as const
  t.is(await codeOf(channel.log.appendNote(1, note)), 'QUORUM_NEEDED')
  await t.exception(channel.log.core.append([Buffer.from('x')]))
  t.is(channel.log.length, 1)
})

test('quorum log: a restart → opened by its key, and what was prepared before is committed after', async (t) => {
  const folder = await scratchFolder(t)
  const quorum = twoOfThree()
  const channel = await TestChannel.createQuorum(t, quorum)
  const prepared = await channel.prepare(FIRST)
  const directory = channel.store.directory
  await channel.store.close()
  const store = await openStore(t, directory)
  const again = (await ReleaseLog.openQuorum(store, keyHex(quorum.logKey))) as ReleaseLog
  t.alike([again.id, again.length, again.writable], [channel.log.id, 1, true])
  const signatures = answers(prepared.request, ANNA, BELA)
  await again.quorum?.commit(prepared, signatures)
  const head = again.head()
  await again.quorum?.commit(prepared, signatures)
  t.alike(again.head(), head, 'committed again: nothing happens')
  const single = await ReleaseLog.create(
    await openStore(t, join(folder, 'store')),
    'x',
    Buffer.from('key'),
    1,
    async () => {},
  )
  t.is(await ReleaseLog.openQuorum(store, single.key), null, 'a log of one key is none')
})

test('quorum log: another release was committed meanwhile → REQUEST_STALE', async (t) => {
  const channel = await TestChannel.createQuorum(t, twoOfThree())
  const [one, other] = [await channel.prepare(FIRST), await channel.prepare(SECOND)]
  await channel.commit(one, FIRST, answers(one.request, ANNA, BELA))
  t.is(await codeOf(channel.quorum.commit(other, answers(other.request, BELA, CARO))), 'REQUEST_STALE')
})

test('quorum log: two machines commit with different signers → no conflict; each takes over what the other adds', async (t) => {
  const quorum = twoOfThree()
  const [a, b] = [await TestChannel.createQuorum(t, quorum), await TestChannel.createQuorum(t, quorum)]
  const conflicts: string[] = []
  for (const { log } of [a, b]) log.core.on('conflict', () => conflicts.push('conflict'))
  const [one, same] = [await a.prepare(FIRST), await b.prepare(FIRST)]
  t.alike(one, same, 'prepared alike')
  await a.commit(one, FIRST, answers(one.request, ANNA, BELA))
  await b.commit(same, FIRST, answers(same.request, BELA, CARO))
  joinStores(t, a.store.cores, b.store.cores)
  const next = await b.prepare(SECOND)
  await b.commit(next, SECOND, answers(next.request, ANNA, CARO))
  while (a.log.length < next.request.target.length) await new Promise((resolve) => a.log.core.once('append', resolve))
  await a.history.advance()
  t.alike([a.history.newest?.number, conflicts], [2, []])
})

test('quorum log: a follower → learns the signers from the log, and reads the genesis that nobody signed', async (t) => {
  const quorum = twoOfThree()
  const channel = await TestChannel.createQuorum(t, quorum)
  t.alike(channel.log.head().signature, UNSIGNED)
  const store = await openStore(t, join(await scratchFolder(t), 'store'))
  const follower = await ReleaseLog.follow(store, channel.log.key)
  joinStores(t, channel.store.cores, store.cores)
  while (follower.length < 1) await new Promise((resolve) => follower.core.once('append', resolve))
  t.alike(await follower.genesis(), { type: 'genesis', ...quorum.genesis })
  const prepared = await channel.prepare(FIRST)
  await channel.commit(prepared, FIRST, answers(prepared.request, ANNA, CARO))
  while (follower.length < channel.log.length) await new Promise((resolve) => follower.core.once('append', resolve))
  t.alike([follower.core.manifest?.quorum, follower.writable], [2, false])
})
