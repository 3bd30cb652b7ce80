/**
 * One channel, 1,000 followers in one process: from the append of a release until each of them has written its notification down
 * and said it; and what goes over their connections meanwhile.
 *
 * Each follower is a store of its own on disk with the log, journal, head records, machines and notices of a node; a connection is a
 * guarded Noise stream in memory with replication and heads, as between nodes. What a node has beside that is not here: DHT, UDX, pool,
 * exchange of files, gateway. Each follower is connected to LINKS that were there before it, so the mesh is connected, and all of them
 * share one thread: the time of the last is nearly the processor time of all. `FOLLOWERS=N` for another number.
 */
import { readdir, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Assert } from 'brittle'
import { Channel } from '../../actors/channel.ts'
import { type ChannelActors, channelActors } from '../../actors/channel-actors.ts'
import { followChannel, isFollowFact } from '../../actors/follow-channel.ts'
import { Notices } from '../../actors/notices.ts'
import { Notifier } from '../../actors/notifier.ts'
import { HeadGossip } from '../../actors/ports/head-gossip.ts'
import { initialState } from '../../actors/recover.ts'
import { watchFreshness } from '../../actors/watch-freshness.ts'
import type { Fact } from '../../schemas/journal.ts'
import { guardConnection, type GuardedMux } from '../../protocols/guard.ts'
import { EvidenceFiles } from '../../store/evidence-files.ts'
import { HeadRecords } from '../../store/head-records.ts'
import { IndexFiles } from '../../store/index-files.ts'
import { Journal } from '../../store/journal.ts'
import { Store } from '../../store/open-store.ts'
import { ReleaseLog } from '../../store/release-log.ts'
import { Chance } from '../crash/chance.ts'
import { MAIN, stanza, TestChannel } from '../helpers/channel.ts'
import { memoryPair } from '../helpers/connections.ts'
import { bench, type Bench } from './bench.ts'

const FOLLOWERS = Number(process.env['FOLLOWERS'] ?? 1_000)
/** Connections that each node makes; it has about twice as many. */
const LINKS = 3
const RELEASES = 3
const PACKAGES = 200
/** Nothing came for so long: the release is over. */
const QUIET_MS = 500
const SEED = 7
/** A new store waits for the disk most of the time. */
const OPENED_AT_ONCE = 20

interface Counted {
  frames: number
  bytes: number
}

/** Who may be connected: its store, and what it says of heads. */
interface Meshed {
  readonly store: Store
  readonly gossip: HeadGossip
}

/** None of the channels here is a fork. */
const ALONE = {
  find: async (): Promise<Channel> => Promise.reject(new Error('there is no upstream')),
  requireRunning: () => {},
}

class Follower implements Meshed {
  readonly store: Store
  readonly gossip: HeadGossip
  readonly #channel: Channel
  readonly #journal: Journal
  readonly #actors: ChannelActors
  readonly #notices: Notices
  /** Release → when it was said, by the clock of this process. */
  readonly saidAtMs = new Map<number, number>()

  private constructor(store: Store, channel: Channel, journal: Journal, heads: HeadRecords, evidence: EvidenceFiles) {
    this.store = store
    this.#channel = channel
    this.#journal = journal
    this.gossip = new HeadGossip({ channel, evidence, log: () => {}, notifier: { heard: () => {} }, now: Date.now })
    const notifier = new Notifier()
    notifier.listen((event) => {
      if (event.event === 'release') this.saidAtMs.set(event.release, performance.now())
    })
    const record = (fact: Fact): Promise<void> => this.#record(fact)
    const onDefect = (error: unknown): void => console.error(error)
    const shared = { record, now: Date.now, onDefect }
    const pool = { held: () => null }
    this.#notices = new Notices({
      ...shared,
      pool,
      notifier,
      channel: () => channel,
      isOnline: true,
      warn: console.error,
    })
    const { key } = channel
    const states = { state: initialState(followChannel, { key }), freshness: initialState(watchFreshness, { key }) }
    const onTrouble = (): void => {} // a block that came late: it is asked for again
    this.#actors = channelActors({ ...shared, channel, gossip: this.gossip, heads, onTrouble }, states)
    this.#actors.actor.start()
    this.#notices.start(channel)
  }

  static async open(folder: string, log: ReleaseLog): Promise<Follower> {
    const store = await Store.open(join(folder, 'store'))
    const files = await IndexFiles.open(join(folder, 'indexes'))
    const channel = new Channel(log.id, 'follower', await ReleaseLog.follow(store, log.key), files, store, ALONE)
    const [heads, evidence] = [
      await HeadRecords.open(join(folder, 'heads')),
      await EvidenceFiles.open(join(folder, 'evidence')),
    ]
    const journal = await Journal.open(store)
    await giveBack(join(folder, 'store', 'db'))
    return new Follower(store, channel, journal, heads, evidence)
  }

  /** As actors/session.ts does it. */
  async #record(fact: Fact): Promise<void> {
    await this.#journal.record(fact)
    if (isFollowFact(fact)) this.#actors.actor.send(fact)
    this.#notices.note(fact)
  }

  async close(): Promise<void> {
    this.#actors.actor.stop()
    await this.#channel.close()
    await this.#notices.close()
    await this.#journal.close()
    await this.store.close()
  }
}

/** RocksDB takes 76 MB of disk for each store in advance, behind the end of its files: a thousand of them would fill a disk. */
async function giveBack(database: string): Promise<void> {
  for (const name of await readdir(database)) {
    const path = join(database, name)
    await truncate(path, (await stat(path)).size) // nothing is connected yet, so nobody writes
  }
}

/** @returns what ends the connection. */
async function connect(one: Meshed, other: Meshed, counted: Counted): Promise<() => void> {
  const pair = await memoryPair()
  const link = ({ store, gossip }: Meshed, mux: GuardedMux): void => {
    store.cores.replicate(mux.stream)
    gossip.link(mux)
  }
  const [left, right] = pair.map((stream) => {
    const mux = guardConnection(stream)
    stream.on('data', (frame: Buffer) => {
      counted.frames++
      counted.bytes += frame.byteLength
    })
    return mux
  })
  link(one, left as GuardedMux)
  link(other, right as GuardedMux)
  return () => pair.forEach((stream) => stream.destroy())
}

async function quiet(counted: Counted): Promise<void> {
  for (let before = -1; before !== counted.frames;) {
    before = counted.frames
    await pause(QUIET_MS)
  }
}

async function mesh(b: Bench, publisher: TestChannel, counted: Counted): Promise<Follower[]> {
  const chance = new Chance(SEED)
  const evidence = await EvidenceFiles.open(join(await b.folder(), 'evidence'))
  const { log } = publisher
  const origin = { key: log.key, name: 'origin', contradict: () => {}, log }
  const nodes: Meshed[] = [
    {
      store: publisher.store,
      gossip: new HeadGossip({
        channel: origin,
        evidence,
        log: () => {},
        notifier: { heard: () => {} },
        now: Date.now,
      }),
    },
  ]
  const followers: Follower[] = []
  const ends: (() => void)[] = []
  b.after(async () => {
    for (const end of ends) end()
    await Promise.all(followers.map((follower) => follower.close()))
  })
  while (followers.length < FOLLOWERS) {
    const count = Math.min(OPENED_AT_ONCE, FOLLOWERS - followers.length)
    followers.push(
      ...(await Promise.all(Array.from({ length: count }, async () => Follower.open(await b.folder(), log)))),
    )
  }
  for (const follower of followers) {
    const chosen = new Set(Array.from({ length: Math.min(LINKS, nodes.length) }, () => chance.below(nodes.length)))
    for (const at of chosen) ends.push(await connect(follower, nodes[at] as Meshed, counted))
    nodes.push(follower)
  }
  return followers
}

await bench(`notify: ${FOLLOWERS} followers of one channel in one process`, null, async (b) => {
  const t = { teardown: (close: () => Promise<unknown>) => b.after(async () => close()) } as unknown as Assert
  const publisher = await TestChannel.create(t)
  const packages = Array.from({ length: PACKAGES }, (_, i) => stanza(`package-${i}`, '1'))
  await publisher.publish({ [MAIN]: packages.join('') })
  const counted = { frames: 0, bytes: 0 }
  const followers = await mesh(b, publisher, counted)
  const all = async (release: number): Promise<void> => {
    while (followers.some(({ saidAtMs }) => !saidAtMs.has(release))) await pause(5)
    await quiet(counted)
  }
  await all(1)
  b.text('resident memory of the process', `${Math.round(process.memoryUsage.rss() / 1e6)} MB`)
  const [medians, lasts, frames, kilobytes, cpus]: number[][] = [[], [], [], [], []]
  for (let release = 2; release <= RELEASES + 1; release++) {
    packages[release] = stanza(`package-${release}`, String(release))
    Object.assign(counted, { frames: 0, bytes: 0 })
    const [startedAtMs, cpuBefore] = [performance.now(), process.cpuUsage()]
    await publisher.publish({ [MAIN]: packages.join('') })
    await all(release)
    const delays = followers.map(({ saidAtMs }) => (saidAtMs.get(release) ?? 0) - startedAtMs).sort((x, y) => x - y)
    const { user, system } = process.cpuUsage(cpuBefore)
    console.log(`  release ${release}: the last after ${Math.round(delays.at(-1) ?? 0)} ms`)
    medians?.push((delays[Math.floor(delays.length / 2)] ?? 0) / 1000)
    lasts?.push((delays.at(-1) ?? 0) / 1000)
    frames?.push(counted.frames / followers.length)
    kilobytes?.push(counted.bytes / followers.length / 1000)
    cpus?.push((user + system) / 1000 / followers.length)
  }
  b.figure('append until the median follower has said it', medians ?? [], 's')
  b.figure('append until the last one has', lasts ?? [], 's')
  b.figure('messages received by a node, all told', frames ?? [], '')
  b.figure('— bytes of them', kilobytes ?? [], 'kB')
  b.figure('processor time of a node', cpus ?? [], 'ms')
})
