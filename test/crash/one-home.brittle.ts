/** What a home must not be used for: two daemons, a copy; and what it must survive: a crash in its first moments. */
import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test, { type Assert } from 'brittle'
import { homeAt } from '../../store/home.ts'
import { Store } from '../../store/open-store.ts'
import { ReleaseLog } from '../../store/release-log.ts'
import { keepSigningKey } from '../../store/signing-keys.ts'
import { createSigningKey, verifyClearSigned } from '../../tools/import/openpgp.ts'
import { scratchFolder, TestNode } from '../helpers/network.ts'
import { codeOf } from '../helpers/refusal.ts'
import { Chance, rounds } from './chance.ts'
import { GrowingRepository, summaryOf } from './growing-repository.ts'
import { bodyOf, brokenFiles, viewRelease } from './http-view.ts'
import { Killed, Victims } from './victims.ts'

const ROUNDS = rounds(10)
const LONG = { timeout: 60_000 + ROUNDS * 5_000 }

function nodeAt(t: Assert, home: string): TestNode {
  const node = new TestNode(home, null)
  t.teardown(() => node.stop(), { order: 0 })
  return node
}

/** Imports, and reads what came of it as apt would: files, index, and the signature by the channel's own key. */
async function publishes(t: Assert, node: TestNode, channel: string): Promise<void> {
  const repository = new GrowingRepository({ directory: await scratchFolder(t), largePieces: 2 })
  await repository.advance()
  const { release } = await node.importDebs(channel, repository.directory)
  const { debs } = await viewRelease(node.gateway, channel, release)
  t.alike(summaryOf(debs), summaryOf(repository.debs))
  t.alike(await brokenFiles(node.gateway, channel, release, debs), [])
  const { key } = await node.call<{ key: string }>('channel.key', { name: channel })
  const inRelease = await bodyOf(`${node.gateway}/${channel}/dists/${channel}/InRelease`)
  t.is((await verifyClearSigned(inRelease, [Buffer.from(key)], Date.now())).signers.length, 1, 'signed by its own key')
}

test('one home: a second daemon → STORE_LOCKED, the first goes on unharmed', LONG, async (t) => {
  const victims = await Victims.prepare(t)
  const home = await scratchFolder(t)
  const [first, second] = [victims.next(), victims.next()]
  await first.start({ home, bootstrap: null })
  const { id } = await first.call<{ id: string }>('channel.create', { name: 'demo' })
  const repository = new GrowingRepository({ directory: await scratchFolder(t) })
  await repository.advance()
  const importing = first.call<{ release: number }>('import', { channel: 'demo', source: repository.source })
  const refusal = await second.start({ home, bootstrap: null }).catch((error: unknown) => String(error))
  t.ok(/STORE_LOCKED/.test(String(refusal)), String(refusal))
  t.is((await importing).release, 1, 'what the first was doing')
  t.is(await codeOf(nodeAt(t, home).start()), 'STORE_LOCKED', 'asked again')
  await repository.advance()
  const { release } = await first.call<{ release: number }>('import', { channel: 'demo', source: repository.source })
  const { debs } = await viewRelease(first.gateway, id, release)
  t.alike(summaryOf(debs), summaryOf(repository.debs), 'and what it does next')
  t.alike(await brokenFiles(first.gateway, id, release, debs), [])
  await first.kill()
  const third = nodeAt(t, home)
  await third.start()
  t.alike([third.status('demo').id, third.status('demo').release], [id, 2], 'a killed daemon holds no lock')
})

test('one home: a copy of it → STORE_COPIED, the original works', LONG, async (t) => {
  const [folder, aside] = [await scratchFolder(t), await scratchFolder(t)]
  const [home, copy] = [join(folder, 'home'), join(aside, 'home')]
  const original = nodeAt(t, home)
  await original.start()
  await original.createChannel('demo')
  await original.stop()
  execFileSync('cp', ['-a', home, copy])
  t.is(await codeOf(nodeAt(t, copy).start()), 'STORE_COPIED')
  t.is(await codeOf(nodeAt(t, copy).start()), 'STORE_COPIED', 'also when asked again')
  await original.start()
  await publishes(t, original, 'demo')
})

test('one home: a crash before the store was marked as an original → starts', LONG, async (t) => {
  const home = await scratchFolder(t)
  await mkdir(homeAt(home).store)
  await writeFile(join(homeAt(home).store, 'CORESTORE'), '')
  const node = nodeAt(t, home)
  await node.start()
  const id = await node.createChannel('demo')
  await node.stop()
  await node.start()
  t.is(node.status('demo').id, id)
})

test(
  'one home: a crash between the genesis of a channel and its record → created again with its own key',
  LONG,
  async (t) => {
    const home = homeAt(await scratchFolder(t))
    await mkdir(home.keys)
    const store = await Store.open(home.store)
    const { publicKey, privateKey } = await createSigningKey('before the crash')
    const keep = (): Promise<void> => keepSigningKey(home.keys, 'demo', privateKey)
    const log = await ReleaseLog.create(store, 'demo', Buffer.from(publicKey), Date.now(), keep)
    await store.close()
    const node = nodeAt(t, home.directory)
    await node.start()
    t.alike(node.node.status().channels, [], 'it was not recorded')
    t.is(await node.createChannel('demo'), log.id, 'the same channel')
    await publishes(t, node, 'demo')
  },
)

test(
  `one home: kill -9 ${ROUNDS} times in the first start and channel create → works when done again`,
  LONG,
  async (t) => {
    const chance = new Chance()
    t.comment(`CRASH_SEED=${chance.seed}`)
    const victims = await Victims.prepare(t)
    let usualMs = 0
    let created = 0
    for (let round = 0; round <= ROUNDS; round++) {
      const home = await scratchFolder(t)
      const victim = victims.next()
      await victim.loaded
      const startedAtMs = performance.now()
      const creating = victim
        .start({ home, bootstrap: null })
        .then(() => victim.call<{ id: string }>('channel.create', { name: 'demo' }))
        .then(({ id }) => id)
        .catch((error: unknown) => (error instanceof Killed ? null : Promise.reject(error as Error)))
      if (round === 0) {
        await creating // how long it takes when nobody interferes
        usualMs = performance.now() - startedAtMs
      } else await pause(chance.fraction() * 1.1 * usualMs) // the kill point, not a wait
      await victim.kill()
      const promised = await creating
      if (promised !== null) created += 1
      const node = nodeAt(t, home)
      await node.start()
      const [channel] = node.node.status().channels
      if (promised !== null) t.is(channel?.id, promised, 'the id that was told')
      if (channel === undefined) await node.createChannel('demo')
      if (round % 3 === 0) await publishes(t, node, 'demo')
      await node.stop()
    }
    t.comment(`${created} of ${ROUNDS + 1} were acknowledged before the kill`)
  },
)
