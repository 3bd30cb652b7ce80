/** `freshet status --watch`: what is seen of a fetch while it goes on, and how it ends. */
import { randomBytes } from 'node:crypto'
import test, { type Assert } from 'brittle'
import type { LiveStatus } from '../../actors/live-status.ts'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { operationsOf } from '../../tools/operations.ts'
import { scratchFolder } from '../helpers/channel.ts'
import { runCommand, startCommand } from '../helpers/command-line.ts'
import { privateNetwork, type TestNode } from '../helpers/network.ts'

const MINUTES = { timeout: 180_000 }

interface Watch {
  readonly seen: LiveStatus[]
  end(): Promise<unknown>
}

function watch(node: TestNode): Watch {
  const seen: LiveStatus[] = []
  const stop = new AbortController()
  const event = async (value: unknown): Promise<void> => void seen.push(value as LiveStatus)
  const io = { signal: stop.signal, progress: () => {}, event }
  const watching = operationsOf(node.node)['status.watch']({}, io)
  return {
    seen,
    end() {
      stop.abort()
      return watching
    },
  }
}

async function followed(t: Assert, fileBytes: number): Promise<{ publisher: TestNode; follower: TestNode }> {
  const network = await privateNetwork(t)
  const publisher = await network.node()
  const debs = await scratchFolder(t)
  const files = { 'usr/share/one': randomBytes(fileBytes).toString('base64') }
  await buildDeb(debs, { name: 'one', version: '1', architecture: 'amd64', files })
  const id = await publisher.createChannel('demo')
  await publisher.importDebs('demo', debs)
  const follower = await network.node()
  await follower.call('follow', { id })
  await follower.announced(1)
  return { publisher, follower }
}

test(
  'watch: a fetch that is capped → its progress, its rate and whose; then only that it is over',
  MINUTES,
  async (t) => {
    const { publisher, follower } = await followed(t, 1_000_000)
    await follower.call('config.set', { name: 'download-cap', value: '300K' })
    const [receiving, giving] = [watch(follower), watch(publisher)]
    await follower.call('fetch', { channel: 'demo', packages: ['one'] })
    await follower.until('it is seen to be over', () => receiving.seen.at(-1)?.rates.lan.down === 0)
    await Promise.all([receiving.end(), giving.end()])
    const during = receiving.seen.filter(({ fetching }) => fetching === 1)
    t.ok(during.length >= 2)
    const bytes = during.map(({ fetches }) => fetches[0]?.bytes ?? 0)
    t.alike(
      bytes,
      bytes.toSorted((a, b) => a - b),
    )
    t.ok(during.some(({ fetches, rates }) => (fetches[0]?.bytesPerSecond ?? 0) > 0 && rates.lan.down > 0))
    t.ok(during.every(({ rates }) => rates.peer.down === 0 && rates.mirror.down === 0))
    t.ok(giving.seen.some(({ rates }) => rates.lan.up > 0))
    const said = receiving.seen.map((status) => JSON.stringify(status))
    t.absent(said.some((text, index) => text === said[index - 1]))
    t.alike(receiving.seen.at(-1)?.fetches, [])
    t.is(receiving.seen.at(-1)?.lanPeers, 1)
    const { traffic } = follower.node.status()
    t.ok(traffic.lan.fetchedBytes > 1_000_000)
    t.is(traffic.mirror.fetchedBytes, 0)
  },
)

test(
  'watch: on the command line → one object a line, ended by an interrupt; without a daemon refused',
  MINUTES,
  async (t) => {
    const home = await scratchFolder(t)
    const refused = await runCommand('status', '--watch', '--json', '--home', home)
    t.is(refused.exitCode, 1)
    t.ok(refused.stderr.includes('DAEMON_UNREACHABLE'))
    const network = await privateNetwork(t)
    const daemon = ['start', '--gateway', '127.0.0.1:0', '--bootstrap', network.address, '--home', home, '--json']
    await startCommand(t, ...daemon).line()
    const json = startCommand(t, 'status', '--watch', '--json', '--home', home)
    const { channels, rates } = await json.result<LiveStatus>()
    t.alike(channels, [])
    t.alike(rates.lan, { up: 0, down: 0 })
    t.is((await json.signal('SIGINT')).exitCode, 0)
    const text = startCommand(t, 'status', '--watch', '--home', home)
    await text.line((line) => line === '0 files being fetched')
    t.is((await text.signal('SIGINT')).exitCode, 0)
  },
)
