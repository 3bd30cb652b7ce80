/** A view that outlives its Valid-Until: said once on every channel there is, in status and by the gateway, and taken back. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import type { Channel } from '../../actors/channel.ts'
import { awaitFreeze, awaitThaw } from '../../actors/ports/await-freshness.ts'
import type { Fact } from '../../schemas/journal.ts'
import type { SigningKey } from '../../tools/import/openpgp.ts'
import { createSigningKey } from '../../tools/import/openpgp.ts'
import { KEY } from '../actors/facts.ts'
import { jsonOf, runCommand, startCommand } from '../helpers/command-line.ts'
import { privateNetwork, scratchFolder, type TestNode } from '../helpers/network.ts'
import { writeRepository } from '../helpers/signed-repository.ts'

const LONG = { timeout: 180_000 }
const HOUR_MS = 3_600_000
const NOTICE = 'freshet-notice'

/** A repository of one package that is good until `validUntilMs`. */
async function repository(t: Assert, key: SigningKey, version: string, validUntilMs: number | null) {
  const root = await scratchFolder(t)
  const components = { main: [{ name: 'aa', version, architecture: 'amd64' }] }
  const validUntil = validUntilMs === null ? null : Math.ceil(validUntilMs / 1000) * 1000
  await writeRepository(root, { key, components, validUntil })
  const keyring = join(root, 'key.asc')
  await writeFile(keyring, key.publicKey)
  return { root, keyring, validUntil }
}

async function publish(t: Assert, publisher: TestNode, key: SigningKey, version: string, validUntilMs: number | null) {
  const { root, keyring, validUntil } = await repository(t, key, version, validUntilMs)
  const source = { kind: 'apt-repo', location: root, suite: 'test', keyrings: [keyring] }
  await publisher.call('import', { channel: 'demo', source })
  return validUntil === null ? null : new Date(validUntil).toISOString()
}

/** What it was told of freezes and thaws, without what tells one telling from another. */
function said({ freshness }: TestNode): unknown[] {
  return freshness.map(({ event, channel, id, release, validUntil }) => ({ event, channel, id, release, validUntil }))
}

async function noticeOf(node: TestNode, path: string): Promise<string | null> {
  const response = await fetch(`${node.gateway}/${path}/dists/test/InRelease`)
  return response.headers.get(NOTICE)
}

test('frozen: Valid-Until passes → said once, over a restart too; a newer release thaws it, once', LONG, async (t) => {
  const network = await privateNetwork(t)
  const publisher = await network.node()
  const id = await publisher.createChannel('demo')
  const key = await createSigningKey('test')
  const since = await publish(t, publisher, key, '1', Date.now() + HOUR_MS)
  let aheadMs = 0
  const follower = await network.node({ now: () => Date.now() + aheadMs })
  await follower.call('follow', { id })
  await follower.announced(1)
  t.alike([follower.status('demo').frozen, follower.status('demo').frozenSince], [false, null])
  t.is(await noticeOf(follower, 'demo'), null)

  await follower.stop()
  await publisher.stop()
  aheadMs = 2 * HOUR_MS
  await follower.start()
  await follower.until('it is said', () => follower.freshness.length > 0)
  const frozen = { event: 'frozen', channel: 'demo', id, release: 1, validUntil: since }
  t.alike(said(follower), [frozen])
  t.alike([follower.status('demo').frozen, follower.status('demo').frozenSince], [true, since], 'status')
  t.is(await noticeOf(follower, 'demo'), `frozen since ${since}`, 'the gateway marks its answers')
  t.is(await noticeOf(follower, 'demo@1'), `frozen since ${since}`, 'by number too: it is the newest')
  t.ok((await (await fetch(`${follower.gateway}/`)).text()).includes(`(frozen since ${since})`), 'and its page')
  t.is((await follower.call<{ frozen: boolean }>('follow', { id })).frozen, true, 'follow')
  const snapshot = await follower.call<{ frozen: boolean }>('snapshot', { channel: 'demo' })
  t.is(snapshot.frozen, true, 'snapshot')
  const list = await follower.call<{ releases: { frozen: boolean }[] }>('releases', { channel: 'demo' })
  t.alike(
    list.releases.map((release) => release.frozen),
    [true],
    'releases',
  )

  await follower.stop()
  await follower.start()
  t.is(follower.status('demo').frozen, true, 'still so after a restart')
  await publisher.start()
  const later = await publish(t, publisher, key, '2', Date.now() + 5 * HOUR_MS)
  await follower.until('it thaws', () => follower.freshness.length > 1)
  const thawed = { event: 'thawed', channel: 'demo', id, release: 2, validUntil: later }
  t.alike(
    follower.node.session.notices
      .list(0, null)
      .map(({ event }) => event)
      .filter((event) => event !== 'release'),
    ['frozen', 'thawed'],
    'in the list',
  )
  t.alike(said(follower), [frozen, thawed], 'each once, the freeze not again after the restart')
  t.is(await noticeOf(follower, 'demo'), null)
  t.is(await noticeOf(follower, 'demo@1'), null, 'a release asked for by its number is as old as it should be')
  const old = await follower.call<{ frozen: boolean }>('snapshot', { channel: 'demo', when: '1' })
  t.is(old.frozen, false)
  t.is(follower.status('demo').frozen, false)
})

test('frozen: the newest release is old already when it arrives → both are said', LONG, async (t) => {
  const network = await privateNetwork(t)
  const publisher = await network.node()
  const id = await publisher.createChannel('demo')
  const since = await publish(t, publisher, await createSigningKey('test'), '1', Date.now() + HOUR_MS)
  const follower = await network.node({ now: () => Date.now() + 2 * HOUR_MS })
  const told: string[] = []
  follower.node.onNotification(({ event }) => told.push(event))
  await follower.call('follow', { id })
  // What a release changed is read before it is told, and may have to wait for a peer: a freeze waits for nobody.
  await follower.until('both are said', () => told.length === 2)
  t.alike(told.toSorted(), ['frozen', 'release'])
  t.is(follower.status('demo').frozenSince, since)
  t.alike(publisher.freshness, [], 'not where the clock says otherwise')
})

test("frozen: on the command line → the publisher's own channel too, live and in status", LONG, async (t) => {
  const network = await privateNetwork(t)
  const home = await scratchFolder(t)
  const at = ['--home', home]
  const daemon = startCommand(t, 'start', ...at, '--gateway', '127.0.0.1:0', '--bootstrap', network.address, '--json')
  await daemon.line()
  await jsonOf('channel', 'create', 'demo', ...at)
  const { root, keyring, validUntil } = await repository(t, await createSigningKey('test'), '1', Date.now() - HOUR_MS)
  const source = ['--apt-repo', root, '--suite', 'test', '--keyring', keyring, '--allow-expired']
  await jsonOf('import', 'demo', ...source, ...at)
  const line = await daemon.line((text) => text.includes('"event":"frozen"'))
  const since = new Date(validUntil ?? 0).toISOString()
  const { channel, release, validUntil: said } = JSON.parse(line) as Record<string, unknown>
  t.alike([channel, release, said], ['demo', 1, since])
  const status = await runCommand('status', ...at)
  t.ok(status.stdout.includes(`FROZEN since ${since}`), status.stdout)
  const snapshot = await runCommand('snapshot', 'demo', ...at)
  t.ok(snapshot.stdout.includes(`FROZEN since ${since}`), snapshot.stdout)
})

test('await freshness: a clock that moves → recorded when it is so, and an aborted wait records nothing', async (t) => {
  let nowMs = 1000
  const facts: Fact[] = []
  const deps = (validUntilMs: number | null) => ({
    channel: { key: KEY, current: { release: { number: 3, validUntilMs } } as Channel['current'] },
    record: async (fact: Fact) => void facts.push(fact),
    now: () => nowMs,
  })
  const { signal } = new AbortController()
  const waiting = awaitFreeze(deps(1050), signal)
  t.alike(facts, [], 'not yet')
  nowMs = 1051
  await waiting
  t.alike(facts, [{ type: 'channel.frozen', key: KEY, number: 3, validUntilMs: 1050, atMs: 1051 }])
  await awaitThaw(deps(2000), signal)
  await awaitThaw(deps(null), signal)
  t.alike(
    facts.slice(1).map(({ type }) => type),
    ['channel.thawed', 'channel.thawed'],
  )
  for (const wait of [awaitFreeze(deps(null), AbortSignal.abort()), awaitThaw(deps(1), AbortSignal.abort())]) await wait
  const stop = new AbortController()
  const never = [awaitFreeze(deps(null), stop.signal), awaitThaw(deps(1), stop.signal)]
  stop.abort()
  await Promise.all(never)
  t.is(facts.length, 3)
})
