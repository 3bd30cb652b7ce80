/** How a fork finds its upstreams: as far up as they go, never round in a circle, and not through one that contradicted itself. */
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { Channel } from '../../actors/channel.ts'
import { FreshetError } from '../../schemas/errors.ts'
import { UPSTREAMS_MAX } from '../../schemas/limits.ts'
import type { KeyHex } from '../../schemas/units.ts'
import { IndexFiles } from '../../store/index-files.ts'
import { ReleaseLog } from '../../store/release-log.ts'
import { openStore, scratchFolder } from '../helpers/channel.ts'
import { codeOf } from '../helpers/refusal.ts'

/** Channels of one store; each name stands on the one that it is given. */
async function channelsOf(
  t: Assert,
  upstreams: Readonly<Record<string, string | null>>,
  stopped: string | null = null,
): Promise<(name: string) => Channel> {
  const folder = await scratchFolder(t)
  const store = await openStore(t, join(folder, 'store'))
  const files = await IndexFiles.open(join(folder, 'indexes'))
  const channels = new Map<string, Channel>()
  const find = async (key: KeyHex): Promise<Channel> =>
    [...channels.values()].find((channel) => channel.key === key) as Channel
  const requireRunning = ({ name }: Channel): void => {
    if (name === stopped) throw new FreshetError('EQUIVOCATION', `${name} was stopped`)
  }
  for (const [name, upstream] of Object.entries(upstreams)) {
    const key = upstream === null ? null : (await ReleaseLog.openOwn(store, upstream)).core.key
    const named = key === null ? null : { key, number: 1, block: 3, hash: Buffer.alloc(32), treeHash: Buffer.alloc(32) }
    const log = await ReleaseLog.create(store, name, Buffer.from('key'), 1, async () => {}, named)
    channels.set(name, new Channel(name, 'follower', log, files, store, { find, requireRunning }))
  }
  return (name) => channels.get(name) as Channel
}

test('fork chain: a fork of a fork → each has its upstream', async (t) => {
  const of = await channelsOf(t, { a: null, b: 'a', c: 'b' })
  await of('c').link()
  t.is(of('c').upstream?.name, 'b')
  t.is(of('b').log.upstream, of('a').log)
  t.is(of('a').upstream, null)
  const far = of('c').origin(2 * 2 ** 27 + 7)
  t.alike([far.channel.name, far.block], ['a', 7])
})

test('fork chain: upstreams that lead back, to itself too → FORK_CYCLE, from wherever it is looked at', async (t) => {
  const of = await channelsOf(t, { a: 'c', b: 'a', c: 'b', self: 'self', outside: 'a' })
  for (const name of ['a', 'b', 'c', 'self', 'outside']) t.is(await codeOf(of(name).link()), 'FORK_CYCLE', name)
})

test('fork chain: more upstreams than UPSTREAMS_MAX → FORK_CYCLE', async (t) => {
  const names = Array.from({ length: UPSTREAMS_MAX + 2 }, (_, i) => `n${i}`)
  const of = await channelsOf(t, Object.fromEntries(names.map((name, i) => [name, names[i - 1] ?? null])))
  t.is(await codeOf(of(names.at(-2) as string).link()), 'accepted')
  t.is(await codeOf(of(names.at(-1) as string).link()), 'FORK_CYCLE')
})

test('fork chain: an upstream, or one of upstream, that was stopped → its code', async (t) => {
  const of = await channelsOf(t, { a: null, b: 'a', c: 'b' }, 'a')
  for (const name of ['b', 'c']) t.is(await codeOf(of(name).link()), 'EQUIVOCATION')
})

test('fork chain: an upstream of which nothing has arrived yet → NO_PEERS, which is tried again, and no verdict on the fork', async (t) => {
  const folder = await scratchFolder(t)
  const store = await openStore(t, join(folder, 'store'))
  const files = await IndexFiles.open(join(folder, 'indexes'))
  const key = Buffer.alloc(32, 7)
  const named = { key, number: 1, block: 3, hash: Buffer.alloc(32), treeHash: Buffer.alloc(32) }
  const log = await ReleaseLog.create(store, 'fork', Buffer.from('key'), 1, async () => {}, named)
  const upstreams = {
    find: async (of: KeyHex): Promise<Channel> =>
      new Channel(of, 'upstream', await ReleaseLog.follow(store, of), files, store, upstreams),
    requireRunning: () => {},
  }
  const fork = new Channel('fork', 'follower', log, files, store, upstreams)
  t.is(await codeOf(fork.link({ local: true })), 'NO_PEERS')
})
