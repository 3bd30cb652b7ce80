/** Whole nodes that find each other by multicast DNS alone: nobody answers at the bootstrap address that they were given. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { scratchFolder } from '../helpers/channel.ts'
import { privateNetwork, type TestNode, type TestNodeOptions } from '../helpers/network.ts'

const MINUTE = { timeout: 60_000 }

/** A network whose only DHT node is gone, and a port for multicast DNS that nobody else here uses. */
async function alone(t: Assert): Promise<(options?: TestNodeOptions) => Promise<TestNode>> {
  const network = await privateNetwork(t)
  await network.bootstrap.destroy()
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port: mdnsPort } = socket.address()
  socket.close()
  return (options = {}) => network.node({ ...options, lan: { hosts: ['127.0.0.1'], mdnsPort } })
}

async function publisherOf(t: Assert, node: TestNode): Promise<string> {
  const folder = await scratchFolder(t)
  await buildDeb(folder, { name: 'one', version: '1', architecture: 'amd64', files: { 'usr/share/one': 'one' } })
  const id = await node.createChannel('demo')
  await node.importDebs('demo', folder)
  return id
}

test('network: two nodes of one local network and no DHT → a release and its file come', MINUTE, async (t) => {
  const node = await alone(t)
  const publisher = await node()
  const id = await publisherOf(t, publisher)
  const follower = await node()
  await follower.call('follow', { id })
  await follower.announced(1)
  await follower.call('fetch', { channel: 'demo', packages: ['one'] })
  t.is(follower.node.status().peers, 1)
  t.is(follower.node.status().tcpPeers, 1)
  t.alike(follower.warnings, [])
})

test('network: lan-discovery = off on one of them → found as soon as it is on again', MINUTE, async (t) => {
  const node = await alone(t)
  const publisher = await node()
  const id = await publisherOf(t, publisher)
  const home = await scratchFolder(t)
  await writeFile(join(home, 'freshet.conf'), 'lan-discovery = off\n')
  const follower = await node({ home })
  await follower.call('follow', { id })
  t.is(follower.node.status().peers, 0)
  await follower.call('config.set', { name: 'lan-discovery', value: 'on' })
  await follower.announced(1)
  t.is(publisher.node.status().peers, 1)
})
