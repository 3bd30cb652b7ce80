/** Real Hypercores in temporary stores, joined by guarded or hostile connections. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { Assert } from 'brittle'
import Corestore from 'corestore'
import type Hypercore from 'hypercore'
import type { Channel } from 'protomux'

export interface Replica {
  readonly store: Corestore
  readonly core: Hypercore
}

/** A store of its own, closed and removed when the test ends. `key` null: a new core that this store can write. */
export async function replica(t: Assert, key: Buffer | null): Promise<Replica> {
  const directory = await mkdtemp(join(tmpdir(), 'freshet-replica-'))
  const store = new Corestore(directory)
  const core = store.get(key === null ? { name: 'log' } : { key })
  await core.ready()
  t.teardown(async () => {
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })
  return { store, core }
}

/** What a hostile peer needs of a replication channel to send whatever it likes. */
export interface ReplicationChannel extends Channel {
  readonly userData: {
    readonly wireRequest: Wire
    readonly wireRange: Wire
    onrequest: (request: unknown) => unknown
    oncancel: (cancel: unknown) => unknown
  }
}
interface Wire {
  send(message: unknown): boolean
}

export function replicationChannel(mux: Iterable<Channel>): ReplicationChannel {
  for (const channel of mux) if (channel.protocol === 'hypercore/alpha') return channel as ReplicationChannel
  throw new Error('no replication channel is open')
}

/** Two stores replicate whatever both have open, over a pair of plain streams, until the test ends. */
export function joinStores(t: Assert, a: Corestore, b: Corestore): void {
  const [one, other] = [a.replicate(true), b.replicate(false)] as [Duplex, Duplex]
  for (const stream of [one, other]) stream.on('error', () => {}) // closed with its store
  one.pipe(other).pipe(one)
  t.teardown(
    () => {
      one.destroy()
      other.destroy()
    },
    { order: -1 },
  )
}
