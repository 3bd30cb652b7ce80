/** One session on one home: what happens at once, what survives its end, and how its journal is kept short. */
import { readFile } from 'node:fs/promises'
import test, { type Assert } from 'brittle'
import { NO_LINK_FACTS } from '../../actors/link-policy.ts'
import { Notifier } from '../../actors/notifier.ts'
import { gatewaySource } from '../../actors/ports/gateway-source.ts'
import { Session, type SessionOptions } from '../../actors/session.ts'
import type { Fact } from '../../schemas/journal.ts'
import { JOURNAL_FACTS_MAX } from '../../schemas/limits.ts'
import { DEFAULT_CONFIG } from '../../schemas/node-config.ts'
import { digestHex } from '../../schemas/units.ts'
import { homeAt, type Home } from '../../store/home.ts'
import { Journal } from '../../store/journal.ts'
import { Store } from '../../store/open-store.ts'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { privateNetwork, scratchFolder, TestNode } from '../helpers/network.ts'
import { codeOf } from '../helpers/refusal.ts'
import { sha256 } from '../helpers/channel.ts'

const MINUTE = { timeout: 60_000 }
const nothing = async (): Promise<void> => {}

async function sessionIn(t: Assert, home: Home, options: Partial<SessionOptions> = {}): Promise<Session> {
  const session = await Session.open({
    home,
    network: null,
    notifier: new Notifier(),
    now: Date.now,
    config: DEFAULT_CONFIG,
    readFacts: async () => NO_LINK_FACTS,
    onFailure: () => {},
    log: () => {},
    ...options,
  })
  t.teardown(() => session.close())
  return session
}

async function factsIn(home: Home): Promise<Fact[]> {
  const store = await Store.open(home.store)
  const journal = await Journal.open(store)
  const facts: Fact[] = []
  for await (const fact of journal.facts()) facts.push(fact)
  await journal.close()
  await store.close()
  return facts
}

test('session: one name created twice at once → one channel with its key, CHANNEL_EXISTS for the other', async (t) => {
  const session = await sessionIn(t, homeAt(await scratchFolder(t)))
  const kept: string[] = []
  const create = (key: string): Promise<string> =>
    codeOf(session.createChannel('demo', Buffer.from(key), async () => void kept.push(key)))
  t.alike(await Promise.all([create('first'), create('second')]), ['accepted', 'CHANNEL_EXISTS'])
  t.alike(kept, ['first'])
  t.is(String((await session.channel('demo').log.genesis()).signingKey), 'first')
  t.is(session.channels.length, 1)
})

test('session: one channel followed twice at once → followed once', async (t) => {
  const home = homeAt(await scratchFolder(t))
  const session = await sessionIn(t, home)
  const key = sha256('a channel').toString('hex') as never
  const [one, other] = await Promise.all([session.follow(key, 'demo'), session.follow(key, 'demo')])
  t.is(one, other)
  t.is(await codeOf(session.follow(sha256('another').toString('hex') as never, 'demo')), 'CHANNEL_EXISTS')
  await session.close()
  t.is((await factsIn(home)).filter(({ type }) => type === 'channel.added').length, 1)
})

test('session: closed while somebody waits for an artifact → INTERRUPTED, and the wish is not lost', async (t) => {
  const home = homeAt(await scratchFolder(t))
  const network = await privateNetwork(t)
  const online = { network: { bootstrap: [network.bootstrap] } }
  const session = await sessionIn(t, home, online)
  const channel = await session.createChannel('demo', Buffer.from('key'), nothing)
  const digest = digestHex(sha256('never seen'))
  const waiting = codeOf(
    session.fetches.want(
      channel.key,
      { digest, byteLength: 10, piecesRoot: null },
      { filename: 'pool/a.deb', block: 1 },
    ),
  )
  await session.record({
    type: 'artifact.wanted',
    key: channel.key,
    digest,
    byteLength: 10,
    piecesRoot: null,
    path: null,
    block: 0,
    atMs: 0,
  }) // the wish is on disk before this
  t.is(session.fetches.count, 1)
  await session.close()
  t.is(await waiting, 'INTERRUPTED')
  const offline = await sessionIn(t, home)
  t.is(offline.fetches.count, 0, 'a command without peers leaves it alone')
  await offline.close()
  t.ok(!(await factsIn(home)).some(({ type }) => type === 'artifact.unavailable'))
  const again = await sessionIn(t, home, online)
  t.is(again.fetches.count, 1)
})

test('session: opening fails half-way → everything is closed, and the next one opens', async (t) => {
  const home = homeAt(await scratchFolder(t))
  const store = await Store.open(home.store)
  const core = store.cores.get({ name: 'journal', active: false })
  await core.ready()
  await core.append([Buffer.of(200, 1)])
  await store.close()
  t.is(await codeOf(Session.open({ ...(await optionsOf(t)), home })), 'VERSION_UNSUPPORTED')
  t.is(await codeOf(Session.open({ ...(await optionsOf(t)), home })), 'VERSION_UNSUPPORTED', 'and not STORE_LOCKED')
})

async function optionsOf(t: Assert): Promise<Omit<SessionOptions, 'home'>> {
  const { bootstrap } = await privateNetwork(t)
  return {
    network: { bootstrap: [bootstrap] },
    notifier: new Notifier(),
    now: Date.now,
    config: DEFAULT_CONFIG,
    readFacts: async () => NO_LINK_FACTS,
    onFailure: () => {},
    log: () => {},
  }
}

test(
  'session: a long journal → compacted at start, with nothing lost and the same release served',
  MINUTE,
  async (t) => {
    const node = new TestNode(await scratchFolder(t), null)
    t.teardown(() => node.stop(), { order: -1 })
    await node.start()
    const debs = await scratchFolder(t)
    await node.createChannel('demo')
    for (const version of ['1', '2']) {
      await buildDeb(debs, { name: 'aa', version, architecture: 'amd64' })
      await node.importDebs('demo', debs)
    }
    const before = node.status('demo')
    const home = homeAt(node.home)
    const { key } = node.node.session.channel('demo')
    const digest = digestHex(sha256('wanted'))
    await node.stop()
    const store = await Store.open(home.store)
    const journal = await Journal.open(store)
    const kept = { type: 'artifact.kept', digest, byteLength: 1, atMs: 0, report: null } as const
    await Promise.all(Array.from({ length: JOURNAL_FACTS_MAX }, () => journal.record(kept)))
    await journal.record({
      type: 'artifact.wanted',
      key,
      digest,
      byteLength: 1,
      piecesRoot: null,
      path: null,
      block: 0,
      atMs: 0,
    })
    await journal.close()
    await store.close()
    const startedAtMs = performance.now()
    await node.start()
    t.comment(`start with ${JOURNAL_FACTS_MAX} facts: ${Math.round(performance.now() - startedAtMs)} ms`)
    t.alike(node.status('demo'), before)
    t.is(before.release, 2)
    await node.until('both are told', () => node.node.session.notices.fold.untold(key).told === 2)
    await node.stop()
    const facts = await factsIn(home)
    const types = facts.map(({ type }) => type)
    t.alike(
      types.filter((type) => type !== 'notification.made'), // one or two: both releases may be told as the first
      ['journal.compacted', 'channel.added', 'head.accepted', 'release.ready', 'release.passed', 'artifact.wanted'],
    )
    await node.start()
    t.alike(node.status('demo'), before, 'and again')
    const response = await fetch(`${node.gateway}/demo@1/dists/demo/main/binary-amd64/Packages`)
    t.ok((await response.text()).includes('Version: 1'))
  },
)

test('session: a restart without news → not one fact more', async (t) => {
  const node = new TestNode(await scratchFolder(t), null)
  t.teardown(() => node.stop(), { order: -1 })
  await node.start()
  await node.createChannel('demo')
  await node.until(
    'its genesis is a head',
    () =>
      node.status('demo').state === 'current' &&
      node.node.session.heads.newest(node.node.session.channel('demo').key) !== null,
  )
  await node.stop()
  const home = homeAt(node.home)
  const facts = await factsIn(home)
  await node.start()
  await node.stop()
  t.alike(await factsIn(home), facts)
})

test('session: twelve imports in a row → no listener is left behind', MINUTE, async (t) => {
  const node = new TestNode(await scratchFolder(t), null)
  t.teardown(() => node.stop(), { order: -1 })
  const warnings: string[] = []
  const onWarning = (warning: Error): void => void warnings.push(warning.message)
  process.on('warning', onWarning)
  await node.start()
  await node.createChannel('demo')
  for (let version = 1; version <= 12; version++) {
    const debs = await scratchFolder(t)
    await buildDeb(debs, { name: 'aa', version: String(version), architecture: 'amd64' })
    t.is((await node.importDebs('demo', debs)).release, version)
  }
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', onWarning)
  t.alike(warnings, [])
})

test('gateway source: a release held while ten others were asked for → still gives its files', MINUTE, async (t) => {
  const node = new TestNode(await scratchFolder(t), null)
  t.teardown(() => node.stop(), { order: -1 })
  await node.start()
  await node.createChannel('demo')
  const debs = await scratchFolder(t)
  const first = await buildDeb(debs, { name: 'first', version: '1', architecture: 'amd64' })
  for (let version = 1; version <= 12; version++) {
    await buildDeb(debs, { name: 'aa', version: String(version), architecture: 'amd64' })
    await node.importDebs('demo', debs)
  }
  const { session } = node.node
  const source = gatewaySource({
    channel: (name) => session.channel(name),
    channels: () => session.channels,
    notices: () => [],
    session: () => session,
  })
  const [found] = await (await session.channel('demo').snapshot({ kind: 'number', number: 1 })).byName('first')
  const path = found?.filename ?? ''
  const held = await source.resolve('demo', '1')
  t.not(await held.open(path), null)
  for (let number = 2; number <= 11; number++) await (await source.resolve('demo', String(number))).open(path)
  const file = await held.open(path)
  const chunks: Buffer[] = []
  for await (const chunk of file?.read(0, file.byteLength, new AbortController().signal) ?? []) chunks.push(chunk)
  t.alike(Buffer.concat(chunks), await readFile(first))
  t.is((await held.open('dists/demo/main/binary-amd64/Packages'))?.kind, 'index')
})
