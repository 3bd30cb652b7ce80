/**
 * Power cuts: a home on an ext4 file system in a file, and a copy of that file while the daemon works. Only what was flushed
 * is in the copy. `CRASH_ROUNDS=200 npm test -- crash/power-cut` runs longer, `CRASH_SEED=N` repeats the moments of a run.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test, { type Assert } from 'brittle'
import { expectEvent } from '../../schemas/events.ts'
import { parseDigest, type DigestHex } from '../../schemas/units.ts'
import { homeAt } from '../../store/home.ts'
import { Pool } from '../../store/pool.ts'
import { readSigningKey } from '../../store/signing-keys.ts'
import { LoopDisk } from '../helpers/loop-disk.ts'
import { type ImportedRelease, privateNetwork, scratchFolder, TestNode } from '../helpers/network.ts'
import { collect } from '../helpers/pool-fixtures.ts'
import { skipUnless } from '../helpers/requires.ts'
import { Chance, rounds } from './chance.ts'
import { type ExpectedDeb, GrowingRepository, sha256, summaryOf } from './growing-repository.ts'
import { brokenFiles, viewRelease } from './http-view.ts'
import { Killed, type Victim, Victims } from './victims.ts'

const CUTS = rounds(20)
const FOLLOWER_CUTS = Math.ceil(CUTS / 4)
const skipped = skipUnless('root', 'loop')
const OPTIONS = { skip: skipped !== null, timeout: 60_000 + CUTS * 20_000 }
if (skipped !== null) console.log(`# ${skipped}`)

const DISK_BYTES = 256 * 1024 * 1024
/** A cut comes so long after the first acknowledgement at most: before the kernel writes out by itself (5 s). */
const CUT_MS_MAX = 1500

/** The disk as it is at this moment; the daemon is gone afterwards. */
async function cutPower(t: Assert, disk: LoopDisk, victim: Victim, directory: string): Promise<LoopDisk> {
  victim.stop()
  try {
    return await disk.copy(t, directory, 'after')
  } finally {
    await victim.kill()
    disk.unmount()
  }
}

interface Promised {
  id: string | null
  /** Release → what it holds. */
  readonly releases: Map<number, readonly string[]>
}

/** The number of the newest release in the publisher's log; 0: none. */
async function newestInLog({ node }: TestNode): Promise<number> {
  const { log } = node.session.channel('demo')
  const { releaseBlock } = await log.newest()
  return releaseBlock === 0 ? 0 : expectEvent('release', await log.event(releaseBlock), releaseBlock).number
}

/** Makes a channel and imports until the daemon is killed. What is noted was answered; `onAnswer` learns how many releases those are. */
async function publishUntilKilled(
  victim: Victim,
  repository: GrowingRepository,
  acknowledged: Promised,
  onAnswer: (releases: number) => void,
): Promise<void> {
  try {
    const { id } = await victim.call<{ id: string }>('channel.create', { name: 'demo' })
    acknowledged.id = id
    onAnswer(0)
    for (;;) {
      await repository.advance()
      const args = { channel: 'demo', source: repository.source }
      const { release } = await victim.call<ImportedRelease>('import', args)
      acknowledged.releases.set(release, summaryOf(repository.debs))
      onAnswer(acknowledged.releases.size)
    }
  } catch (error) {
    if (!(error instanceof Killed)) throw error
  }
}

interface Losses {
  /** Homes that cannot be opened, or have another channel or none. */
  identities: number
  releases: number
}

/** Opens the home of a disk that a power cut left, and compares it with what was acknowledged. */
async function checkPublisher(
  t: Assert,
  home: string,
  { id, releases }: Promised,
  repository: GrowingRepository,
  losses: Losses,
): Promise<void> {
  const node = new TestNode(home, null)
  t.teardown(() => node.stop(), { order: 0 })
  try {
    await node.start()
  } catch (error) {
    losses.identities += 1
    return t.fail(`it does not start: ${String(error)}`)
  }
  const [channel] = node.node.status().channels
  if (channel?.id !== id) {
    losses.identities += 1
    return t.fail(`the channel is ${channel?.id ?? 'gone'}, it was ${id}`)
  }
  const newest = await newestInLog(node)
  await node.serves('demo', newest) // which release is served is noted without a flush: reading the log says it again
  for (const [number, debs] of releases) {
    if (number > newest) {
      losses.releases += 1
      t.fail(`release ${number} is gone`)
      continue
    }
    const view = await viewRelease(node.gateway, 'demo', number)
    if (summaryOf(view.debs).join() !== debs.join()) t.fail(`release ${number} holds something else`)
    const broken = await brokenFiles(node.gateway, 'demo', number, number < newest - 1 ? [] : view.debs)
    if (broken.length > 0) t.fail(`${broken.join()} is broken in release ${number}`)
  }
  const signingKey = await readSigningKey(homeAt(home).keys, 'demo')
  if (!signingKey.includes('PRIVATE KEY')) t.fail('the signing key is gone')
  await repository.advance()
  const { release } = await node.importDebs('demo', repository.directory)
  if (release !== newest + 1) t.fail(`the next import makes release ${release} after ${newest}`)
  await node.stop()
}

test(`power cut while a publisher works: ${CUTS} times → nothing acknowledged is lost`, OPTIONS, async (t) => {
  const chance = new Chance()
  t.comment(`CRASH_SEED=${chance.seed}`)
  const victims = await Victims.prepare(t)
  const losses: Losses = { identities: 0, releases: 0 }
  let releases = 0
  for (let cut = 0; cut < CUTS; cut++) {
    const directory = await scratchFolder(t)
    const disk = await LoopDisk.make(t, directory, 'before', DISK_BYTES)
    const repository = new GrowingRepository({ directory: join(directory, 'debs'), largePieces: 3 })
    const victim = victims.next()
    await victim.start({ home: join(disk.mountPoint, 'home'), bootstrap: null })
    const acknowledged: Promised = { id: null, releases: new Map() }
    let publishing: Promise<void> = Promise.resolve()
    // Every other cut comes after a release at least, however slow the machine is.
    const least = cut % 2
    await new Promise<void>((resolve, reject) => {
      publishing = publishUntilKilled(victim, repository, acknowledged, (answered) => {
        if (answered >= least) resolve()
      })
      publishing.catch(reject)
    })
    await pause(chance.fraction() * CUT_MS_MAX) // the moment of the cut, not a wait
    const promised = { id: acknowledged.id, releases: new Map(acknowledged.releases) }
    const after = await cutPower(t, disk, victim, directory)
    await publishing
    releases += promised.releases.size
    await checkPublisher(t, join(after.mountPoint, 'home'), promised, repository, losses)
    after.unmount()
    await rm(directory, { recursive: true, force: true })
  }
  t.alike(losses, { identities: 0, releases: 0 }, `${CUTS} cuts, ${releases} acknowledged releases`)
  t.ok(releases >= Math.floor(CUTS / 2), 'enough was acknowledged to lose something')
})

/** @returns the artifacts that are missing or broken in the pool of `home`. */
async function lostArtifacts(home: string, kept: ReadonlyMap<string, ExpectedDeb>): Promise<string[]> {
  const pool = await Pool.open(homeAt(home).pool)
  const lost: string[] = []
  for (const [digest, { name, byteLength }] of kept) {
    const key = parseDigest(digest) as DigestHex
    const whole = pool.held(key) !== null && sha256(await collect(pool.stream(key, 0, byteLength))) === digest
    if (!whole) lost.push(name)
  }
  await pool.close()
  return lost
}

test(`power cut while a follower fetches: ${FOLLOWER_CUTS} times → what it keeps is whole`, OPTIONS, async (t) => {
  const chance = new Chance()
  t.comment(`CRASH_SEED=${chance.seed}`)
  const victims = await Victims.prepare(t)
  const network = await privateNetwork(t)
  const publisher = await network.node()
  const id = await publisher.createChannel('demo')
  const repository = new GrowingRepository({ directory: await scratchFolder(t), smallDebs: 20, largePieces: 21 })
  await repository.advance()
  const { release } = await publisher.importDebs('demo', repository.directory)
  let artifacts = 0
  for (let cut = 0; cut < FOLLOWER_CUTS; cut++) {
    const directory = await scratchFolder(t)
    const disk = await LoopDisk.make(t, directory, 'before', DISK_BYTES)
    const victim = victims.next()
    await victim.start({ home: join(disk.mountPoint, 'home'), bootstrap: network.bootstrap })
    await victim.call('follow', { id, name: 'demo' })
    await victim.announces(release)
    const kept = new Map<string, ExpectedDeb>()
    const fetches = repository.debs.map(async (deb) => {
      await victim.call('fetch', { channel: 'demo', packages: [deb.name] })
      kept.set(deb.sha256, deb)
    })
    const all = Promise.allSettled(fetches)
    await Promise.race([Promise.any(fetches), all])
    await pause(chance.fraction() * 300) // the moment of the cut, not a wait
    const promised = new Map(kept)
    const after = await cutPower(t, disk, victim, directory)
    await all
    artifacts += promised.size

    const home = join(after.mountPoint, 'home')
    const lost = await lostArtifacts(home, promised)
    if (lost.length > 0) t.fail(`${lost.join()} lost of ${promised.size}`)
    const node = new TestNode(home, { bootstrap: [network.bootstrap] })
    t.teardown(() => node.stop(), { order: 0 })
    await node.start()
    const [channel] = node.node.status().channels
    if (channel?.id === id) {
      await node.serves('demo', release)
      const { debs } = await viewRelease(node.gateway, 'demo', release)
      const broken = await brokenFiles(node.gateway, 'demo', release, debs)
      t.alike([lost, broken], [[], []], `${promised.size} artifacts were kept; it has or gets every file`)
    } else t.fail('it no longer follows')
    await node.stop()
    after.unmount()
    await rm(directory, { recursive: true, force: true })
  }
  t.comment(`${FOLLOWER_CUTS} cuts, ${artifacts} artifacts kept`)
})
