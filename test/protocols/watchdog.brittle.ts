/** Silent peers, played by real stores whose replication channel announces the log and never answers a request. */
import type { Assert } from 'brittle'
import test from 'brittle'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import Protomux from 'protomux'
import { guardConnection } from '../../protocols/guard.ts'
import { watchUpgrades } from '../../protocols/watchdog.ts'
import { memoryPair, until } from '../helpers/connections.ts'
import { replica, replicationChannel, type Replica } from '../helpers/replicas.ts'

async function connect(from: Replica, to: Replica): Promise<NoiseSecretStream> {
  const [far, near] = await memoryPair()
  guardConnection(near)
  to.store.replicate(near)
  from.store.replicate(far)
  return far
}

interface SilentPeer {
  readonly stream: NoiseSecretStream
  /** Answers after all, what it was asked so far. */
  answerLate(): Promise<void>
}

/** Announces what it has and answers nothing. */
async function connectSilent(from: Replica, to: Replica): Promise<SilentPeer> {
  const stream = await connect(from, to)
  const mux = Protomux.from(stream)
  await until(() => [...mux].some(({ protocol }) => protocol === 'hypercore/alpha'))
  const peer = replicationChannel(mux).userData
  const answer = peer.onrequest.bind(peer)
  const asked: unknown[] = []
  peer.onrequest = (request) => void asked.push(request)
  peer.oncancel = () => undefined // it answers even what is no longer wanted
  const answerLate = async (): Promise<void> => void (await Promise.all(asked.map((request) => answer(request))))
  return { stream, answerLate }
}

interface Scene {
  readonly publisher: Replica
  readonly follower: Replica
  readonly silent: SilentPeer[]
  readonly dropped: NoiseSecretStream[]
}

/** The silent peers hold `held` blocks, which is what the follower is told first. */
async function scene(t: Assert, count: number, options: { known: boolean }): Promise<Scene> {
  const publisher = await replica(t, null)
  const follower = await replica(t, publisher.core.key)
  if (options.known) {
    await publisher.core.append([Buffer.from('one')])
    const first = await connect(publisher, follower)
    await until(() => follower.core.length === 1)
    first.destroy()
  }
  await publisher.core.append([Buffer.from('two'), Buffer.from('three')])
  const dropped: NoiseSecretStream[] = []
  const drop = (stream: NoiseSecretStream): void => {
    dropped.push(stream)
    stream.destroy()
  }
  const watchdog = watchUpgrades(follower.core, { drop })
  t.teardown(() => watchdog.stop(), { order: -1 })
  const silent: SilentPeer[] = []
  for (let i = 0; i < count; i++) silent.push(await connectSilent(publisher, follower))
  await until(() => follower.core.peers.length === count && inFlight(follower))
  return { publisher, follower, silent, dropped }
}

function inFlight({ core }: Replica): boolean {
  const { replicator } = core.core as unknown as { replicator: { _upgrade: { inflight: unknown[] } | null } }
  return (replicator._upgrade?.inflight.length ?? 0) > 0
}

for (const known of [false, true]) {
  for (const count of [1, 15]) {
    const length = known ? 'known' : 'unknown'
    test(`watchdog: length ${length}, ${count} silent and 1 honest peer → the head within 5 s`, async (t) => {
      const { publisher, follower } = await scene(t, count, { known })
      const startedAtMs = performance.now()
      await connect(publisher, follower)
      await until(() => follower.core.length === publisher.core.length)
      const tookMs = performance.now() - startedAtMs
      t.ok(tookMs < 5000, `${Math.round(tookMs)} ms`)
      await publisher.core.append([Buffer.from('four')])
      await until(() => follower.core.length === publisher.core.length)
      t.pass('and the next one')
    })
  }
}

test('watchdog: only silent peers → all are dropped', async (t) => {
  const { follower, dropped } = await scene(t, 3, { known: false })
  await until(() => dropped.length === 3)
  await until(() => follower.core.peers.length === 0)
  t.is(follower.core.length, 0)
})

test('watchdog: honest peers and many updates → nobody is dropped', async (t) => {
  const publisher = await replica(t, null)
  const follower = await replica(t, publisher.core.key)
  let drops = 0
  const watchdog = watchUpgrades(follower.core, { drop: () => void drops++ })
  t.teardown(() => watchdog.stop(), { order: -1 })
  for (let i = 0; i < 3; i++) await connect(publisher, follower)
  for (let i = 1; i <= 30; i++) {
    await publisher.core.append([Buffer.from(`${i}`)])
    await until(() => follower.core.length === i)
  }
  t.is(drops, 0)
  t.is(follower.core.peers.length, 3)
})

test('watchdog: a slow peer answers after another did → its answer is not taken for a forgery', async (t) => {
  const { publisher, follower, silent, dropped } = await scene(t, 1, { known: true })
  const [slow] = follower.core.peers as unknown as { paused: boolean; stats: { invalidData: number } }[]
  await connect(publisher, follower)
  await until(() => follower.core.length === publisher.core.length)
  await silent[0]?.answerLate()
  await publisher.core.append([Buffer.from('four')])
  await until(() => follower.core.length === publisher.core.length)
  t.alike([slow?.paused, slow?.stats.invalidData], [false, 0])
  t.is(dropped.length, 0)
})

test('watchdog: others must stand in for a peer again and again → it is dropped', async (t) => {
  const { publisher, follower, silent, dropped } = await scene(t, 1, { known: true })
  await connect(publisher, follower)
  while (dropped.length === 0) {
    await until(() => follower.core.length === publisher.core.length)
    await publisher.core.append([Buffer.from('more')])
  }
  await until(() => silent[0]?.stream.destroyed === true)
  t.is(dropped.length, 1)
})
