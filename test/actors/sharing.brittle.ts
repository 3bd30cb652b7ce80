/** The policy in force: what two nodes give each other while it changes, under caps and budgets. */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { NO_LINK_FACTS } from '../../actors/link-policy.ts'
import type { Sharing } from '../../actors/ports/sharing.ts'
import { RATE_BYTES_PER_S_MIN } from '../../schemas/limits.ts'
import { DEFAULT_CONFIG } from '../../schemas/node-config.ts'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { scratchFolder } from '../helpers/channel.ts'
import { until } from '../helpers/connections.ts'
import { connect, fetchInto, logOf, nodeOf, poolWith } from '../helpers/exchange-peers.ts'
import { privateNetwork, type SnapshotView, type TestNode } from '../helpers/network.ts'
import { fixture } from '../helpers/pool-fixtures.ts'
import { codeOf } from '../helpers/refusal.ts'
import { sharingWith } from '../helpers/sharing.ts'

const MINUTE = { timeout: 60_000 }
const NEAR = '192.168.1.7'
const FAR = '198.51.100.7'
/** Some pieces of a file that does not shrink. */
const FILE_BYTES = 800_000
const PACKAGES = ['one', 'two', 'three']

/** Whether a near, a far and an unknown peer are given anything. */
function given(sharing: Sharing): boolean[] {
  return [NEAR, FAR, null].map((host) => sharing.maySend(host))
}

test('sharing: each scope → whom it gives to', async (t) => {
  t.alike(given(await sharingWith(t, {})), [true, true, true])
  t.alike(given(await sharingWith(t, { share: 'lan-only' })), [true, false, false])
  t.alike(given(await sharingWith(t, { share: 'off' })), [false, false, false])
})

test('sharing: link and battery → looked at before it opens; what cannot be read restricts nothing', async (t) => {
  const metered = await sharingWith(t, {}, { readFacts: async () => ({ ...NO_LINK_FACTS, metered: true }) })
  t.alike(given(metered), [true, false, false])
  t.is(metered.status.link.metered, true)
  const warnings: string[] = []
  const failing = await sharingWith(
    t,
    { 'on-metered': 'off' },
    { readFacts: () => Promise.reject(new Error('no such thing')), log: (_, message) => warnings.push(message) },
  )
  t.alike(given(failing), [true, true, true])
  t.is(warnings.length, 1)
})

test('sharing: the hour comes → computed again by itself', async (t) => {
  const noon = new Date(2026, 4, 5, 12, 0, 0).getTime()
  let nowMs = noon - 40
  const sharing = await sharingWith(t, { 'share-hours': { fromMinute: 720, toMinute: 780 } }, { now: () => nowMs })
  t.alike(given(sharing), [true, false, false])
  nowMs = noon
  while (!sharing.maySend(FAR)) await new Promise((resolve) => setImmediate(resolve))
  t.pass('open to all at noon')
})

test('sharing: a budget that is spent → LAN only, and nothing fetched; the LAN costs nothing; a new month begins anew', async (t) => {
  let nowMs = new Date(2026, 4, 31, 23, 0, 0).getTime()
  const budgets = { 'monthly-upload': 1_000_000, 'monthly-download': 2_000_000 }
  const sharing = await sharingWith(t, budgets, { now: () => nowMs })
  const { fetching } = sharing
  sharing.count(NEAR, 5e9, 5e9)
  sharing.count(FAR, 999_999, 1_999_999)
  t.alike([given(sharing), fetching.aborted], [[true, true, true], false])
  sharing.count(FAR, 1, 0)
  t.alike([given(sharing), fetching.aborted], [[true, false, false], false], 'upload spent')
  sharing.count(null, 0, 1)
  t.ok(fetching.aborted, 'download spent: what is under way ends')
  t.is(await codeOf(() => sharing.fetching.throwIfAborted()), 'FETCH_OFF')
  t.alike(sharing.status.month, { name: '2026-05', sentBytes: 1_000_000, fetchedBytes: 2_000_000 })
  nowMs += 2 * 3_600_000
  sharing.configure({ ...DEFAULT_CONFIG, ...budgets }) // its timer would do the same within a minute
  t.alike([given(sharing), sharing.fetching.aborted], [[true, true, true], false], 'June')
  t.is(sharing.status.month.sentBytes, 0)
})

/** What one file takes from a node to another whose traffic the policy counts as that of a peer far away. */
for (const direction of ['upload', 'download'] as const) {
  test(`sharing: ${direction} cap → what is over it waits, and is counted when it goes; without the cap it goes`, async (t) => {
    const file = fixture(400_000, 1)
    const sharing = await sharingWith(t, { [`${direction}-cap`]: RATE_BYTES_PER_S_MIN })
    const log = logOf([[file.artifact]])
    const pool = await poolWith(t)
    const limits = { [direction]: sharing[direction] }
    const taker = nodeOf(t, log, pool, direction === 'download' ? limits : {})
    const seed = nodeOf(t, log, await poolWith(t, file), direction === 'upload' ? limits : {})
    await connect(t, taker, seed)
    const { outcome } = await fetchInto(t, taker, pool, file.artifact)
    await until(() => seed.sentBytes > 0)
    // A first piece, or block, may be more than the bucket holds, and is a debt.
    t.ok(seed.sentBytes <= 262_144, `${seed.sentBytes} bytes before the rest waits`)
    sharing.configure(DEFAULT_CONFIG)
    t.is(await outcome, 'none')
    t.is(seed.sentBytes, file.bytes.byteLength)
  })
}

interface Pair {
  readonly publisher: TestNode
  readonly follower: TestNode
  /** By the follower. @returns `accepted`, or the code of the refusal. */
  readonly fetch: (name: string) => Promise<string>
}

async function pair(t: Assert): Promise<Pair> {
  const network = await privateNetwork(t)
  const folder = await scratchFolder(t)
  for (const name of PACKAGES) {
    const files = { [`usr/share/${name}`]: randomBytes(FILE_BYTES).toString('base64') }
    await buildDeb(folder, { name, version: '1', architecture: 'amd64', files })
  }
  const publisher = await network.node()
  const id = await publisher.createChannel('demo')
  await publisher.importDebs('demo', folder)
  const follower = await network.node()
  await follower.call('follow', { id })
  await follower.announced(1)
  const fetch = (name: string): Promise<string> => codeOf(follower.call('fetch', { channel: 'demo', packages: [name] }))
  return { publisher, follower, fetch }
}

test('sharing: share = off → the peer says that it has nothing; on again → it gives', MINUTE, async (t) => {
  const { publisher, fetch } = await pair(t)
  t.is(await fetch('one'), 'accepted')
  await publisher.call('config.set', { name: 'share', value: 'lan-only' })
  t.is(await fetch('two'), 'accepted', 'loopback is as near as it gets')
  t.alike(publisher.node.status().sharing.month.sentBytes, 0, 'and costs nothing')
  await publisher.call('config.set', { name: 'share', value: 'off' })
  t.is(await fetch('three'), 'ARTIFACT_UNAVAILABLE')
  await publisher.call('config.unset', { name: 'share' })
  t.is(await fetch('three'), 'accepted')
})

test('sharing: fetch = off → FETCH_OFF, for the command and for apt; on again → fetched', MINUTE, async (t) => {
  const { follower, fetch } = await pair(t)
  await follower.call('config.set', { name: 'fetch', value: 'off' })
  t.is(await fetch('one'), 'FETCH_OFF')
  const [index] = (await follower.call<SnapshotView>('snapshot', { channel: 'demo' })).indexes
  const packages = await (await globalThis.fetch(`${follower.gateway}/demo/dists/demo/${index?.path}`)).text()
  const filename = /^Filename: (.*one.*)$/m.exec(packages)?.[1]
  const refused = await globalThis.fetch(`${follower.gateway}/demo/${filename}`)
  t.alike([refused.status, (await refused.text()).split(':')[0]], [503, 'FETCH_OFF'])
  await follower.call('config.unset', { name: 'fetch' })
  t.is(await fetch('one'), 'accepted')
})

test(
  'sharing: fetch = off in the middle of a fetch → it ends with FETCH_OFF; on again → the rest',
  MINUTE,
  async (t) => {
    const { follower, fetch } = await pair(t)
    await follower.call('config.set', { name: 'download-cap', value: '10K' }) // a piece, then half a minute of rest
    const fetching = fetch('one')
    await follower.until('a part is here', () => follower.node.status().pool.partial === 1)
    await follower.call('config.set', { name: 'fetch', value: 'off' })
    t.is(await fetching, 'FETCH_OFF')
    await follower.call('config.unset', { name: 'fetch' })
    await follower.call('config.unset', { name: 'download-cap' })
    t.is(await fetch('one'), 'accepted')
  },
)

test('sharing: a config file that is wrong → the node does not start, and says which line', MINUTE, async (t) => {
  const network = await privateNetwork(t)
  const node = await network.node({ offline: true })
  await node.stop()
  await writeFile(join(node.home, 'freshet.conf'), 'share = on\nupload-cap = fast\n')
  const error = await node.start().catch((reason: unknown) => reason as Error)
  t.ok(error instanceof Error && error.message.includes('freshet.conf:2: upload-cap: "fast" is not'), String(error))
  await writeFile(join(node.home, 'freshet.conf'), 'share = on\nupload-cap = 1M\n')
  await node.start()
  t.is(node.node.status().sharing.uploadBytesPerSecond, 1_000_000)
})
