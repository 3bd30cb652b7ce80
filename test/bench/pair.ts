/** A private DHT on loopback with a publisher and a follower on it, both of them daemons of the compiled product. */
import { startBootstrap } from '../../protocols/bootstrap.ts'
import type { Bench } from './bench.ts'
import { SUITE } from './debian.ts'
import { Daemon } from './product.ts'

export const CHANNEL = 'debian'

export interface Pair {
  readonly bootstrap: string
  readonly publisher: Daemon
  readonly follower: Daemon
  /** Of CHANNEL, which has no release yet. */
  readonly id: string
}

/** Connected, and nothing published yet. */
export async function startPair(b: Bench): Promise<Pair> {
  const dht = await startBootstrap({ host: '127.0.0.1', port: 0 })
  b.after(() => dht.destroy())
  const bootstrap = `${dht.host}:${dht.port}`
  const publisher = await Daemon.start(b, bootstrap)
  const { id } = await publisher.call<{ id: string }>('channel.create', { name: CHANNEL })
  const follower = await Daemon.start(b, bootstrap)
  await follower.call('follow', { id })
  await follower.connected()
  return { bootstrap, publisher, follower, id }
}

export async function importBookworm({ publisher }: Pick<Pair, 'publisher'>): Promise<void> {
  await publisher.call('import', { channel: CHANNEL, source: { kind: 'apt-lists', suite: SUITE, keyrings: [] } })
}
