/** Hypercore replication behind the guard: honest peers notice nothing, hostile ones stay cheap. */
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import test from 'brittle'
import type { Assert } from 'brittle'
import Protomux from 'protomux'
import type { FreshetError } from '../../schemas/errors.ts'
import { EVENT_BYTES_MAX } from '../../schemas/limits.ts'
import { guardConnection, type GuardedMux } from '../../protocols/guard.ts'
import { closed, tcpPair, until } from '../helpers/connections.ts'
import { replica, replicationChannel, type Replica } from '../helpers/replicas.ts'

const MIB = 1024 * 1024

async function link(
  a: Replica,
  b: Replica,
): Promise<{ muxes: [GuardedMux, GuardedMux]; streams: NoiseSecretStream[] }> {
  const [far, near] = await tcpPair()
  const muxes: [GuardedMux, GuardedMux] = [guardConnection(far), guardConnection(near)]
  a.store.replicate(far)
  b.store.replicate(near)
  return { muxes, streams: [far, near] }
}

/** The hostile end has the blocks and a mux without a guard. */
async function attack(t: Assert): Promise<{
  server: Replica
  hostile: NoiseSecretStream
  mux: GuardedMux
  channel: ReturnType<typeof replicationChannel>
  refusals: FreshetError[]
}> {
  const server = await replica(t, null)
  const blocks = Array.from({ length: 64 }, (_, i) => Buffer.alloc(64 * 1024, i))
  await server.core.append(blocks)
  const attacker = await replica(t, server.core.key)
  const [hostile, near] = await tcpPair()
  const refusals: FreshetError[] = []
  const mux = guardConnection(near, { onRefused: (error) => refusals.push(error) })
  server.store.replicate(near)
  attacker.store.replicate(hostile)
  await until(() => attacker.core.length === 64)
  return { server, hostile, mux, channel: replicationChannel(Protomux.from(hostile)), refusals }
}

test('replication guard: two guarded stores → small, large and largest blocks arrive', async (t) => {
  const publisher = await replica(t, null)
  const follower = await replica(t, publisher.core.key)
  await publisher.core.append(Array.from({ length: 600 }, (_, i) => Buffer.from(`block ${i}`)))
  await publisher.core.append(Array.from({ length: 40 }, () => Buffer.alloc(256 * 1024, 1)))
  await publisher.core.append([Buffer.alloc(EVENT_BYTES_MAX, 2), Buffer.alloc(2 * MIB, 3)])
  const { streams } = await link(publisher, follower)
  await until(() => follower.core.length === 642)
  await follower.core.download({ blocks: Array.from({ length: 642 }, (_, i) => i) }).done()
  const largest = await follower.core.get(640, { wait: false })
  t.is(largest?.byteLength, EVENT_BYTES_MAX)
  t.ok(streams.every((stream) => !stream.destroyed))
  for (const stream of streams) stream.destroy()
})

test('replication guard: 400,000 requests and no reading → PEER_NOT_READING, memory stays bounded', async (t) => {
  const { server, hostile, mux, channel, refusals } = await attack(t)
  hostile.rawStream.pause()
  const before = process.memoryUsage().rss
  let highest = 0
  for (let id = 1000; id < 401_000 && !mux.stream.destroyed; id++) {
    channel.userData.wireRequest.send(request(id, server.core.fork, id % 64))
    if (id % 256 === 0) await new Promise((resolve) => setImmediate(resolve))
    highest = Math.max(highest, mux.queuedBytes)
  }
  await closed(mux.stream)
  t.is(refusals[0]?.code, 'PEER_NOT_READING')
  const grown = process.memoryUsage().rss - before
  t.ok(grown < 64 * MIB, `${Math.round(grown / MIB)} MiB, ${Math.round(highest / MIB)} MiB queued at most`)
  hostile.destroy()
})

test('replication guard: requests in one frame, more than are answered at once → all are answered', async (t) => {
  const { server, hostile, channel } = await attack(t)
  const answered = new Set<number>()
  server.core.on('upload', (block: number) => answered.add(block))
  const mux = Protomux.from(hostile)
  mux.cork()
  for (let i = 0; i < 64; i++) channel.userData.wireRequest.send(request(2000 + i, server.core.fork, i))
  mux.uncork()
  await until(() => answered.size === 64 || hostile.destroyed)
  t.is(answered.size, 64)
  hostile.destroy()
})

test('replication guard: a range or length beyond any log → MESSAGE_MALFORMED, nothing is allocated', async (t) => {
  for (const range of [
    { drop: false, start: 1, length: 2 ** 45 },
    { drop: false, start: 2 ** 50, length: 2 },
  ]) {
    const { hostile, mux, channel, refusals } = await attack(t)
    channel.userData.wireRange.send(range)
    await closed(mux.stream)
    t.is(refusals[0]?.code, 'MESSAGE_MALFORMED')
    hostile.destroy()
  }
})

function request(id: number, fork: number, index: number): unknown {
  return { id, fork, block: { index, nodes: 0 }, hash: null, seek: null, upgrade: null, manifest: false, priority: 0 }
}

test('replication guard: a log that is refused → neither given nor taken, before and after; others are', async (t) => {
  const publisher = await replica(t, null)
  await publisher.core.append([Buffer.from('a')])
  const second = publisher.store.get({ name: 'second' })
  await second.ready()
  await second.append([Buffer.from('b')])
  const follower = await replica(t, publisher.core.key)
  const copy = follower.store.get({ key: second.key })
  await copy.ready()
  const [far, near] = await tcpPair()
  const refused = new Set<string>()
  const refusals: FreshetError[] = []
  const mux = guardConnection(far, {
    onRefused: (error) => refusals.push(error),
    refusesLog: (discoveryKey) => refused.has(discoveryKey),
  })
  guardConnection(near)
  publisher.store.replicate(far)
  follower.store.replicate(near)
  await until(() => follower.core.length === 1 && copy.length === 1)

  refused.add(publisher.core.discoveryKey.toString('hex'))
  mux.closeLog(publisher.core.discoveryKey)
  await until(() => publisher.core.peers.length === 0 && follower.core.peers.length === 0)
  await publisher.core.append([Buffer.from('a 2')])
  await second.append([Buffer.from('b 2')])
  await until(() => copy.length === 2)
  t.is(follower.core.length, 1)

  const [again, back] = await tcpPair()
  guardConnection(again, { refusesLog: (discoveryKey) => refused.has(discoveryKey) })
  guardConnection(back)
  publisher.store.replicate(again)
  follower.store.replicate(back)
  await second.append([Buffer.from('b 3')])
  await until(() => copy.length === 3 && copy.peers.length === 2)
  t.is(follower.core.length, 1, 'nor on another connection')
  t.alike([publisher.core.peers.length, refusals], [0, []], 'politely')
  for (const stream of [far, near, again, back]) stream.destroy()
})
