/**
 * kill -9 at any point: while a daemon starts, imports, follows or fetches. `CRASH_ROUNDS=200 npm test -- crash/kill-loop`
 * runs longer, `CRASH_SEED=N` repeats the kill points of a run.
 */
import { setTimeout as pause } from 'node:timers/promises'
import test, { type Assert } from 'brittle'
import type { Channel } from '../../actors/channel.ts'
import { pieceCount } from '../../schemas/artifact.ts'
import { expectEvent } from '../../schemas/events.ts'
import { FETCH_GIVE_UP_MS, PIECE_BYTES } from '../../schemas/limits.ts'
import { parseDigest, type DigestHex } from '../../schemas/units.ts'
import { homeAt } from '../../store/home.ts'
import { Pool } from '../../store/pool.ts'
import { collect } from '../helpers/pool-fixtures.ts'
import { type ImportedRelease, privateNetwork, scratchFolder, type TestNode } from '../helpers/network.ts'
import { Chance, rounds } from './chance.ts'
import { type ExpectedDeb, GrowingRepository, sha256, summaryOf } from './growing-repository.ts'
import { brokenFiles, viewRelease } from './http-view.ts'
import { Killed, type Victim, Victims } from './victims.ts'

const ROUNDS = rounds(50)
/** Of each side. */
const KILLS = Math.ceil(ROUNDS / 2)
const LONG = { timeout: 60_000 + ROUNDS * 5_000 }
/** One kill in so many hits a daemon that is still starting. */
const START_KILLS = 6
/** One publisher in so many runs with a network. */
const NETWORK_ROUNDS = 3
/** One kill of a follower in so many comes while a release arrives; the others while it fetches. */
const FOLLOW_KILLS = 3
const READY_MS_MAX = 30_000
const LOOK_AGAIN_MS = 5
/** Attempts to fetch after the first. */
const AGAIN_MAX = 3

/** How long the operations that are killed take when they are not: kills are spread over that, and somewhat beyond. */
class Usual {
  #ms: number

  constructor(ms: number) {
    this.#ms = ms
  }

  note(ms: number): void {
    this.#ms = 0.7 * this.#ms + 0.3 * ms
  }

  pick(chance: Chance): number {
    return chance.fraction() * 1.2 * this.#ms
  }
}

/** @returns what `work` gave, or null when the kill came first. Everything but the kill is a failure. */
async function killAfter<T>(victim: Victim, ms: number, work: Promise<T>): Promise<T | null> {
  const outcome = work.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
  await pause(ms) // the kill point, not a wait
  await victim.kill()
  const ended = await outcome
  if ('value' in ended) return ended.value
  if (ended.error instanceof Killed) return null
  throw ended.error
}

interface Acknowledged {
  readonly debs: readonly string[]
  indexSha256: string | null
}

/** What the parent knows to be promised, and whether a daemon keeps it. */
class Promises {
  readonly releases = new Map<number, Acknowledged>()
  readonly #t: Assert
  readonly #id: string

  constructor(t: Assert, id: string) {
    this.#t = t
    this.#id = id
  }

  get newest(): number {
    return Math.max(0, ...this.releases.keys())
  }

  acknowledge(number: number, debs: readonly ExpectedDeb[]): void {
    const known = this.releases.get(number)
    const summary = summaryOf(debs)
    if (known === undefined) this.releases.set(number, { debs: summary, indexSha256: null })
    else if (known.debs.join() !== summary.join()) this.#t.fail(`release ${number} was acknowledged for two states`)
  }

  /** `numbers` of the acknowledged releases, as this daemon serves them. */
  async check(victim: Victim, numbers: readonly number[], withFiles: boolean): Promise<void> {
    const { channels } = await victim.call<{ channels: { id: string; release: number }[] }>('status')
    const [channel] = channels
    if (channel?.id !== this.#id) this.#t.fail(`the id is ${channel?.id}, it was ${this.#id}`)
    if ((channel?.release ?? 0) < this.newest) {
      this.#t.fail(`serves release ${channel?.release}, ${this.newest} is acknowledged`)
    }
    for (const number of numbers) {
      const acknowledged = this.releases.get(number)
      if (acknowledged === undefined) continue
      const { indexSha256, debs } = await viewRelease(victim.gateway, this.#id, number)
      acknowledged.indexSha256 ??= indexSha256
      if (acknowledged.indexSha256 !== indexSha256) this.#t.fail(`the index of release ${number} changed`)
      if (summaryOf(debs).join() !== acknowledged.debs.join()) this.#t.fail(`release ${number} holds something else`)
      if (!withFiles) continue
      for (const name of await brokenFiles(victim.gateway, this.#id, number, debs)) this.#t.fail(`${name} is broken`)
    }
  }
}

/** Starts the next daemon on `home`; sometimes it is killed on the way, and then the one after it must start. */
async function restart(
  victims: Victims,
  start: { home: string; bootstrap: { host: string; port: number } | null },
  chance: Chance,
  usual: Usual,
): Promise<{ victim: Victim; kills: number }> {
  for (let kills = 0; ; kills++) {
    const victim = victims.next()
    await victim.loaded
    const startedAtMs = performance.now()
    const starting = victim.start(start)
    if (kills === 0 && chance.below(START_KILLS) === 0) {
      await killAfter(victim, usual.pick(chance), starting)
      continue
    }
    await starting
    usual.note(performance.now() - startedAtMs)
    return { victim, kills }
  }
}

test(`kill -9 of a publisher: ${KILLS} times → no acknowledged release is lost or changed`, LONG, async (t) => {
  const chance = new Chance()
  t.comment(`CRASH_SEED=${chance.seed}`)
  const network = await privateNetwork(t)
  const victims = await Victims.prepare(t)
  const home = await scratchFolder(t)
  const repository = new GrowingRepository({ directory: await scratchFolder(t) })
  const [importing, starting] = [new Usual(300), new Usual(300)]
  let victim = victims.next()
  await victim.start({ home, bootstrap: null })
  const { id } = await victim.call<{ id: string }>('channel.create', { name: 'demo' })
  const promises = new Promises(t, id)
  const follower = await network.node()
  await follower.call('follow', { id })

  let [killed, cutOff, unasked] = [0, 0, 0]
  while (killed < KILLS) {
    await repository.advance()
    const seen = follower.status(id).release
    const startedAtMs = performance.now()
    const work = victim.call<ImportedRelease>('import', { channel: 'demo', source: repository.source })
    void work.then(() => importing.note(performance.now() - startedAtMs)).catch(() => {}) // killed: no duration
    const result = await killAfter(victim, importing.pick(chance), work)
    if (result === null) cutOff += 1
    else promises.acknowledge(result.release, repository.debs)
    killed += 1
    // Without a network all is quicker; with it, followers hold what was announced just before a kill.
    const bootstrap = chance.below(NETWORK_ROUNDS) === 0 ? network.bootstrap : null
    const next = await restart(victims, { home, bootstrap }, chance, starting)
    victim = next.victim
    killed += next.kills
    await promises.check(victim, [promises.newest], true)
    await promises.check(victim, [1 + chance.below(promises.newest)], false)
    if (result !== null) continue
    // Run again: it makes the release, or finds that it was made just before the kill.
    const again = await victim.call<ImportedRelease>('import', { channel: 'demo', source: repository.source })
    if (again.bytes === 0) unasked += 1
    if (again.release < promises.newest + (again.bytes === 0 ? 0 : 1)) t.fail(`release ${again.release} came twice`)
    promises.acknowledge(again.release, repository.debs)
    if (seen > again.release) t.fail(`a follower saw release ${seen} before it was made`)
  }
  await promises.check(victim, [...promises.releases.keys()], true)
  await victim.kill()
  victim = (await restart(victims, { home, bootstrap: network.bootstrap }, chance, starting)).victim
  await follower.serves(id, promises.newest)
  await follower.until('it has one history', () => follower.status(id).state === 'current')
  for (const [number, { indexSha256 }] of promises.releases) {
    t.is(
      (await viewRelease(follower.gateway, id, number)).indexSha256,
      indexSha256,
      `release ${number} is the same there`,
    )
  }
  t.comment(`${killed} kills, ${cutOff} imports cut off, ${unasked} of them after the append`)
  t.ok(cutOff > 0 || KILLS < 10, 'some imports were cut off')
})

/** Counts what a publisher's pool gives away, piece by piece. */
function countServed({ node }: TestNode): Map<string, number> {
  const served = new Map<string, number>()
  const { pool } = node.session
  const read = pool.read.bind(pool)
  pool.read = (digest, byteOffset, byteLength) => {
    const key = `${digest} ${Math.floor(byteOffset / PIECE_BYTES)}`
    served.set(key, (served.get(key) ?? 0) + byteLength)
    return read(digest, byteOffset, byteLength)
  }
  return served
}

/** As the log has it. */
async function rootOf(channel: Channel, { sha256 }: ExpectedDeb): Promise<Buffer | null> {
  for await (const { block } of channel.history.releases()) {
    const { roots, lateRoots } = expectEvent('release', await channel.log.event(block), block)
    const found = [...roots, ...lateRoots].find(({ digest }) => digest.toString('hex') === sha256)
    if (found !== undefined) return found.piecesRoot
  }
  return null
}

/** What the pool of a killed daemon holds of `deb`, each piece checked. */
async function heldPieces(pool: Pool, channel: Channel, deb: ExpectedDeb): Promise<number[]> {
  const digest = parseDigest(deb.sha256) as DigestHex
  const piecesRoot = await rootOf(channel, deb)
  const partial = await pool.begin({ digest, byteLength: deb.byteLength, piecesRoot })
  const pieces = Array.from({ length: pieceCount(deb.byteLength) }, (_, piece) => piece)
  const held = pieces.filter((piece) => partial.readable(piece))
  await partial.close()
  return held
}

/** @returns the finished artifacts that are missing or broken. */
async function lostArtifacts(pool: Pool, finished: ReadonlyMap<string, ExpectedDeb>): Promise<string[]> {
  const lost: string[] = []
  for (const [digest, { name, version, byteLength }] of finished) {
    const key = parseDigest(digest) as DigestHex
    const whole = pool.held(key) !== null && sha256(await collect(pool.stream(key, 0, byteLength))) === digest
    if (!whole) lost.push(`${name} ${version}`)
  }
  return lost
}

async function fetchDeb(victim: Victim, { name, sha256: digest }: ExpectedDeb): Promise<void> {
  const { files } = await victim.call<{ files: { sha256: string }[] }>('fetch', { channel: 'demo', packages: [name] })
  if (files[0]?.sha256 !== digest) throw new Error(`another ${name} was fetched`)
}

/**
 * For a daemon that nobody kills. A publisher that has not yet noticed that the connection of a killed daemon is dead may turn
 * its successor away for some seconds; whoever asks for a file is told so, and asks again.
 * @returns how often that was needed.
 */
async function fetchPatiently(victim: Victim, deb: ExpectedDeb): Promise<number> {
  for (let again = 0; ; again++) {
    try {
      await fetchDeb(victim, deb)
      return again
    } catch (error) {
      const { peers } = await victim.call<{ peers: number }>('status')
      if (again === AGAIN_MAX || !String(error).includes('ARTIFACT_UNAVAILABLE'))
        throw new Error(`${peers} peers`, { cause: error })
      console.log(`# unavailable with ${peers} peers`)
    }
  }
}

async function isReady(victim: Victim, release: number): Promise<void> {
  for (const deadlineAtMs = performance.now() + READY_MS_MAX; performance.now() < deadlineAtMs;) {
    const { channels } = await victim.call<{ channels: { release: number }[] }>('status')
    if ((channels[0]?.release ?? 0) >= release) return
    await pause(LOOK_AGAIN_MS)
  }
  throw new Error(`release ${release} did not arrive: ${victim.stderr}`)
}

test(`kill -9 of a follower: ${KILLS} times → it keeps what it said it has, and fetches resume`, LONG, async (t) => {
  const chance = new Chance()
  t.comment(`CRASH_SEED=${chance.seed}`)
  const network = await privateNetwork(t)
  const publisher = await network.node()
  const id = await publisher.createChannel('demo')
  const channel = publisher.node.session.channel(id)
  const served = countServed(publisher)
  const repository = new GrowingRepository({ directory: await scratchFolder(t), largePieces: 21 })
  const victims = await Victims.prepare(t)
  const start = { home: await scratchFolder(t), bootstrap: network.bootstrap }
  const [following, fetching, starting] = [new Usual(200), new Usual(300), new Usual(300)]
  let victim = victims.next()
  await victim.start(start)
  await victim.call('follow', { id, name: 'demo' })
  const promises = new Promises(t, id)
  const finished = new Map<string, ExpectedDeb>()

  let [killed, release, resumed, turnedAway] = [0, 0, 0, 0]
  while (killed < KILLS) {
    await repository.advance()
    release += 1
    const startedAtMs = performance.now()
    const imported = publisher.importDebs('demo', repository.directory)
    if (chance.below(FOLLOW_KILLS) === 0) {
      const ready = imported.then(() => isReady(victim, release))
      void ready.then(() => following.note(performance.now() - startedAtMs)).catch(() => {}) // killed: no duration
      await killAfter(victim, following.pick(chance), ready)
      await imported
    } else {
      await imported
      await isReady(victim, release)
      promises.acknowledge(release, repository.debs)
      const fetchedAtMs = performance.now()
      const fetches = repository.debs.map(async (deb) => {
        await fetchDeb(victim, deb)
        finished.set(deb.sha256, deb)
      })
      const all = Promise.all(fetches)
      void all.then(() => fetching.note(performance.now() - fetchedAtMs)).catch(() => {}) // killed: no duration
      await killAfter(victim, fetching.pick(chance), all)
    }
    killed += 1
    const large = repository.debs.find(({ name }) => name === 'large') as ExpectedDeb
    const pool = await Pool.open(homeAt(start.home).pool)
    for (const lost of await lostArtifacts(pool, finished)) t.fail(`${lost} was lost`)
    const held = await heldPieces(pool, channel, large)
    await pool.close()
    const before = held.map((piece) => ({
      key: `${large.sha256} ${piece}`,
      bytes: served.get(`${large.sha256} ${piece}`),
    }))

    const next = await restart(victims, start, chance, starting)
    victim = next.victim
    killed += next.kills
    await promises.check(victim, [promises.newest], false)
    await isReady(victim, release)
    promises.acknowledge(release, repository.debs)
    turnedAway += await fetchPatiently(victim, large)
    finished.set(large.sha256, large)
    const again = before.filter(({ key, bytes }) => served.get(key) !== bytes)
    if (again.length > 0) t.fail(`${again.length} pieces that were held were fetched again`)
    if (held.length > 0 && held.length < pieceCount(large.byteLength)) resumed += 1
    await promises.check(victim, [release], true)
  }
  await promises.check(victim, [...promises.releases.keys()], false)
  t.is(promises.newest, release)
  t.comment(`${killed} kills, ${release} releases, ${finished.size} artifacts, ${resumed} fetches resumed`)
  t.comment(`${turnedAway} times no peer was there for ${FETCH_GIVE_UP_MS / 1000} s`)
  t.ok(resumed > 0 || KILLS < 10, 'some fetches were cut off between two pieces')
})
