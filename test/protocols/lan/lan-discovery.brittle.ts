/** Nodes that announce themselves by multicast DNS on loopback, and somebody who sends what he likes. */
import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import test, { type Assert } from 'brittle'
import dnsPacket from 'multicast-dns'
import { advertStrings, createAdvert, type LanEndpoint, type LanFind } from '../../../protocols/lan/advert.ts'
import { LanDiscovery } from '../../../protocols/lan/lan-discovery.ts'
import { recordsOf } from '../../../protocols/lan/services.ts'
import { LAN_FOUND_PER_ADDRESS_MAX, LAN_PACKET_BYTES_MAX } from '../../../schemas/limits.ts'
import { until } from '../../helpers/connections.ts'

const HOST = '127.0.0.1'

interface TestNode {
  readonly discovery: LanDiscovery
  readonly nodeKey: Buffer
  readonly found: (LanFind & LanEndpoint)[]
}

/** A port for multicast DNS that nobody else here uses. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, HOST)
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

function node(t: Assert, mdnsPort: number, port: number, channelKeys: readonly Buffer[]): TestNode {
  const nodeKey = randomBytes(32)
  const found: TestNode['found'] = []
  const discovery = new LanDiscovery({
    nodeKey,
    port: () => port,
    channelKeys: () => channelKeys,
    onFound: (find, endpoint) => found.push({ ...find, ...endpoint }),
    onTrouble: (error) => t.fail(error.message),
    hosts: [HOST],
    mdnsPort,
  })
  t.teardown(() => discovery.close())
  discovery.turn(true)
  return { discovery, nodeKey, found }
}

/** Sends what it is told to, as the library would. */
async function stranger(t: Assert, mdnsPort: number): Promise<{ socket: Socket; dns: ReturnType<typeof dnsPacket> }> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  const dns = dnsPacket({ socket, port: mdnsPort, interface: HOST, bind: '0.0.0.0' })
  await new Promise<void>((resolve) => dns.on('ready', resolve))
  t.teardown(() => dns.destroy())
  return { socket, dns }
}

function forged(channel: Buffer, port: number): ReturnType<typeof recordsOf> {
  const advert = createAdvert(randomBytes(32), [channel], { host: HOST, port })
  return recordsOf({ label: `x${port}`, host: HOST, port, strings: advertStrings(advert) })
}

test('lan discovery: three nodes, two of them share a channel → these two find each other', async (t) => {
  const mdnsPort = await freePort()
  const [shared, other] = [randomBytes(32), randomBytes(32)]
  const a = node(t, mdnsPort, 1001, [shared])
  const b = node(t, mdnsPort, 1002, [other, shared])
  const c = node(t, mdnsPort, 1003, [randomBytes(32)])
  await until(() => a.found.length > 0 && b.found.length > 0)
  t.alike(a.found[0], { nodeKey: b.nodeKey, channelKey: shared, host: HOST, port: 1002 })
  t.alike(b.found[0], { nodeKey: a.nodeKey, channelKey: shared, host: HOST, port: 1001 })
  t.is(c.found.length, 0)
})

test('lan discovery: a channel that comes later → found by it', async (t) => {
  const mdnsPort = await freePort()
  const shared = randomBytes(32)
  const channels: Buffer[] = []
  const a = node(t, mdnsPort, 1001, channels)
  const b = node(t, mdnsPort, 1002, [shared])
  channels.push(shared)
  a.discovery.changed()
  await until(() => a.found.length > 0 && b.found.length > 0)
  t.alike(a.found[0]?.nodeKey, b.nodeKey)
})

test('lan discovery: adverts of ever new keys, and packets that are none → few are believed, and an honest node is still found', async (t) => {
  const mdnsPort = await freePort()
  const shared = randomBytes(32)
  const a = node(t, mdnsPort, 1001, [shared])
  const { socket, dns } = await stranger(t, mdnsPort)
  for (let port = 2000; port < 2020; port++) dns.respond(forged(shared, port))
  for (const size of [0, 1, 11, 12, 200, LAN_PACKET_BYTES_MAX + 1])
    socket.send(randomBytes(size), mdnsPort, '224.0.0.251')
  await until(() => a.found.length >= LAN_FOUND_PER_ADDRESS_MAX)
  const b = node(t, mdnsPort, 1002, [shared])
  await until(() => b.found.length > 0)
  t.is(a.found.length, LAN_FOUND_PER_ADDRESS_MAX)
  t.ok(b.found.some(({ nodeKey }) => nodeKey.equals(a.nodeKey)))
})

test('lan discovery: turned off → nothing is found any more, and the others are told', async (t) => {
  const mdnsPort = await freePort()
  const shared = randomBytes(32)
  const { dns } = await stranger(t, mdnsPort)
  const farewells: unknown[] = []
  dns.on('response', ({ answers = [] }) => farewells.push(...answers.filter(({ ttl }) => ttl === 0)))
  const a = node(t, mdnsPort, 1001, [shared])
  const b = node(t, mdnsPort, 1002, [shared])
  await until(() => a.found.length > 0 && b.found.length > 0)
  a.discovery.turn(false)
  await until(() => farewells.length > 0)
  dns.respond(forged(shared, 3000))
  await until(() => b.found.some(({ port }) => port === 3000))
  t.absent(a.found.some(({ port }) => port === 3000))
})
