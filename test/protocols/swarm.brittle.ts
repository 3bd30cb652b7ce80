/** Nodes that find each other over a real DHT on loopback. */
import type { Assert } from 'brittle'
import test from 'brittle'
import type { FreshetError } from '../../schemas/errors.ts'
import { FreshetError as Refusal } from '../../schemas/errors.ts'
import { startBootstrap } from '../../protocols/bootstrap.ts'
import { openSwarm, type Connection, type Swarm } from '../../protocols/swarm.ts'
import { closed, until } from '../helpers/connections.ts'
import { codeOf } from '../helpers/pool-fixtures.ts'

interface Node {
  readonly swarm: Swarm
  readonly connections: Connection[]
  readonly refusals: FreshetError[]
}

async function network(t: Assert): Promise<{ host: string; port: number }> {
  const node = await startBootstrap({ host: '127.0.0.1', port: 0 })
  t.teardown(() => node.destroy(), { order: 1 })
  return { host: node.host, port: node.port }
}

function open(t: Assert, address: { host: string; port: number }): Node {
  const connections: Connection[] = []
  const refusals: FreshetError[] = []
  const swarm = openSwarm({
    bootstrap: [address],
    onConnection: (connection) => connections.push(connection),
    onRefused: (_peer, error) => refusals.push(error),
  })
  t.teardown(() => swarm.destroy())
  return { swarm, connections, refusals }
}

test('swarm: two nodes join a topic at the same moment → both see one connection to the other', async (t) => {
  const address = await network(t)
  const [a, b] = [open(t, address), open(t, address)]
  const topic = Buffer.alloc(32, 1)
  await Promise.all([a.swarm.join(topic), b.swarm.join(topic)])
  await until(() => a.connections.length > 0 && b.connections.length > 0)
  t.is(a.connections.at(-1)?.remoteKey, b.swarm.publicKey)
  t.is(b.connections.at(-1)?.remoteKey, a.swarm.publicKey)
})

test('swarm: a follower joins after the publisher → connected soon; a third one too', async (t) => {
  const address = await network(t)
  const nodes = [open(t, address), open(t, address), open(t, address)]
  for (const { swarm } of nodes) await swarm.join(Buffer.alloc(32, 2))
  await until(() => nodes.every(({ swarm }) => [...swarm.connections].length === 2))
  t.pass('a full mesh')
})

test('swarm: a peer is dropped → the connection closes and none is made again for a while', async (t) => {
  const address = await network(t)
  const [a, b] = [open(t, address), open(t, address)]
  const topic = Buffer.alloc(32, 3)
  await a.swarm.join(topic)
  await b.swarm.join(topic)
  await until(() => a.connections.length > 0 && b.connections.length > 0)
  const before = a.connections.length
  a.swarm.drop(b.swarm.publicKey, new Refusal('PEER_SLOW', 'a test'))
  await until(() => [...a.swarm.connections].length === 0)
  const lookedUp = [1, 2, 3].map(() => b.swarm.leave(topic).then(() => b.swarm.join(topic)))
  await Promise.all(lookedUp)
  t.is(a.connections.length, before)
})

test('swarm: a peer breaks a rule → it is refused, dropped and named', async (t) => {
  const address = await network(t)
  const [a, b] = [open(t, address), open(t, address)]
  await a.swarm.join(Buffer.alloc(32, 4))
  await b.swarm.join(Buffer.alloc(32, 4))
  await until(() => a.connections.length > 0 && b.connections.length > 0)
  const stream = a.connections.at(-1)?.stream
  b.connections.at(-1)?.stream.write(Buffer.alloc(2_000_000))
  if (stream !== undefined) await closed(stream)
  t.is(a.refusals[0]?.code, 'FRAME_REFUSED')
})

test('swarm: a node leaves the network → the others notice, and destroy ends in time', async (t) => {
  const address = await network(t)
  const [a, b] = [open(t, address), open(t, address)]
  await a.swarm.join(Buffer.alloc(32, 5))
  await b.swarm.join(Buffer.alloc(32, 5))
  await until(() => a.connections.length > 0 && b.connections.length > 0)
  await b.swarm.destroy()
  await until(() => [...a.swarm.connections].length === 0)
  t.pass()
})

test('bootstrap: a port that is taken, or an address nobody can use → refused', async (t) => {
  const { host, port } = await network(t)
  t.is(await codeOf(startBootstrap({ host, port })), 'ADDRESS_IN_USE')
  t.is(await codeOf(startBootstrap({ host: '0.0.0.0', port: 4000 })), 'USAGE')
  t.is(await codeOf(startBootstrap({ host: '192.0.2.1', port: 0 })), 'USAGE')
})
