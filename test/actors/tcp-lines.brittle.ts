/** Whole nodes and the TCP lines between them: files go over one where there is one, and come all the same where there is none. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { scratchFolder } from '../helpers/channel.ts'
import { privateNetwork, type TestNode } from '../helpers/network.ts'

const MINUTE = { timeout: 60_000 }
/** Some pieces of a file that does not shrink. */
const FILE_BYTES = 800_000

/** A publisher and a follower that has fetched its package. @param config of each: lines of freshet.conf. */
async function pair(t: Assert, ...configs: readonly [string, string]): Promise<TestNode[]> {
  const network = await privateNetwork(t)
  const folder = await scratchFolder(t)
  const files = { 'usr/share/one': randomBytes(FILE_BYTES).toString('base64') }
  await buildDeb(folder, { name: 'one', version: '1', architecture: 'amd64', files })
  const nodes: TestNode[] = []
  for (const config of configs) {
    const home = await scratchFolder(t)
    await writeFile(join(home, 'freshet.conf'), config)
    nodes.push(await network.node({ home }))
  }
  const [publisher, follower] = nodes as [TestNode, TestNode]
  const id = await publisher.createChannel('demo')
  await publisher.importDebs('demo', folder)
  await follower.call('follow', { id })
  await follower.announced(1)
  await follower.call('fetch', { channel: 'demo', packages: ['one'] })
  return nodes
}

function tcpPeers(nodes: readonly TestNode[]): number[] {
  return nodes.map(({ node }) => node.status().tcpPeers)
}

test('network: two nodes as they are → files go over TCP, and the status says so', MINUTE, async (t) => {
  const nodes = await pair(t, '', '')
  t.alike(tcpPeers(nodes), [1, 1])
  t.alike(
    nodes.map(({ node }) => node.status().peers),
    [1, 1],
  )
})

test('network: tcp-port = off on both nodes → files go over the connection that there is', MINUTE, async (t) => {
  t.alike(tcpPeers(await pair(t, 'tcp-port = off\n', 'tcp-port = off\n')), [0, 0])
})

test(
  'network: tcp-port = off on one of them, and a port that is taken on the other → said, and it goes on',
  MINUTE,
  async (t) => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    t.teardown(() => other.close())
    const { port } = other.address() as AddressInfo
    const nodes = await pair(t, `tcp-port = ${port}\n`, 'tcp-port = off\n')
    t.alike(tcpPeers(nodes), [0, 0])
    t.alike(nodes[0]?.warnings, [`peers cannot connect over TCP: TCP port ${port} is taken`])
  },
)
