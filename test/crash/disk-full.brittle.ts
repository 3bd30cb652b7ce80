/**
 * A full disk, from the whole node's view: one clear refusal, nothing half-written, what was served is served on, and when
 * space returns the same node goes on without a restart. The disk is a tmpfs whose size the test changes.
 */
import assert from 'node:assert'
import { execFileSync } from 'node:child_process'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { PIECE_BYTES } from '../../schemas/limits.ts'
import { FreshetError } from '../../schemas/errors.ts'
import { homeAt } from '../../store/home.ts'
import { id as encodeId } from '../../store/identity.ts'
import { mount } from '../helpers/mount.ts'
import { privateNetwork, scratchFolder, TestNode } from '../helpers/network.ts'
import { codeOf } from '../helpers/refusal.ts'
import { skipUnless } from '../helpers/requires.ts'
import { type ExpectedDeb, GrowingRepository, summaryOf } from './growing-repository.ts'
import { brokenFiles, viewRelease } from './http-view.ts'

const skipped = skipUnless('root')
const OPTIONS = { skip: skipped !== null, timeout: 90_000 }
if (skipped !== null) console.log(`# ${skipped}`)

const MIB = 1024 * 1024
const SMALL_MIB = 28
const LARGE_MIB = 96
/** More than the small disk has, less than the large one. */
const TOO_LARGE_PIECES = (24 * MIB) / PIECE_BYTES

class TmpDisk {
  readonly mountPoint: string

  constructor(t: Assert, mountPoint: string) {
    this.mountPoint = mountPoint
    mount(t, ['-t', 'tmpfs', '-o', `size=${SMALL_MIB}m`, 'tmpfs'], mountPoint)
  }

  grow(): void {
    execFileSync('mount', ['-o', `remount,size=${LARGE_MIB}m`, this.mountPoint])
  }

  /** Takes every block that is left. @returns what gives them back. */
  async fill(): Promise<() => Promise<void>> {
    const path = join(this.mountPoint, 'filler')
    const code = await writeFile(path, Buffer.alloc(LARGE_MIB * MIB)).catch(({ code }: NodeJS.ErrnoException) => code)
    if (code !== 'ENOSPC') throw new Error('the disk is not full')
    return () => rm(path)
  }
}

async function refusalOf(work: Promise<unknown>): Promise<FreshetError> {
  const error = await work.then(
    () => new Error('it was accepted'),
    (reason: unknown) => reason,
  )
  if (error instanceof FreshetError) return error
  throw error
}

/** The release is served whole: index and files. */
async function isServed(t: Assert, node: TestNode, release: number, debs: readonly ExpectedDeb[]): Promise<void> {
  const view = await viewRelease(node.gateway, 'demo', release)
  t.alike(summaryOf(view.debs), summaryOf(debs), `release ${release} is served`)
  t.alike(await brokenFiles(node.gateway, 'demo', release, view.debs), [], 'with its files')
}

test('disk full: an import that does not fit → DISK_FULL, nothing half-written, goes on after', OPTIONS, async (t) => {
  const disk = new TmpDisk(t, await scratchFolder(t))
  const node = new TestNode(join(disk.mountPoint, 'home'), null)
  t.teardown(() => node.stop(), { order: 0 })
  await node.start()
  await node.createChannel('demo')
  const small = new GrowingRepository({ directory: await scratchFolder(t), largePieces: 3 })
  await small.advance()
  await node.importDebs('demo', small.directory)
  const large = new GrowingRepository({ directory: await scratchFolder(t), largePieces: TOO_LARGE_PIECES })
  await large.advance()
  await large.advance() // a version that was not published
  const { code, message } = await refusalOf(node.importDebs('demo', large.directory))
  t.is(code, 'DISK_FULL')
  t.ok(message.includes(disk.mountPoint), message)
  t.is(await codeOf(node.importDebs('demo', large.directory)), 'DISK_FULL', 'again, and not another error')
  const { pool, staging } = homeAt(node.home)
  t.alike(await readdir(join(pool, 'incoming')), [])
  t.alike(await readdir(staging), [])
  const { releases } = await node.call<{ releases: object[] }>('releases', { channel: 'demo' })
  t.is(releases.length, 1)
  await isServed(t, node, 1, small.debs)
  disk.grow()
  t.is((await node.importDebs('demo', large.directory)).release, 2, 'the same node, without a restart')
  await isServed(t, node, 2, large.debs)
  await isServed(t, node, 1, small.debs)
})

test('disk full: the store itself cannot write → it is reopened, and nothing is lost', OPTIONS, async (t) => {
  const disk = new TmpDisk(t, await scratchFolder(t))
  const node = new TestNode(join(disk.mountPoint, 'home'), null)
  t.teardown(() => node.stop(), { order: 0 })
  await node.start()
  const id = await node.createChannel('demo')
  const repository = new GrowingRepository({ directory: await scratchFolder(t), largePieces: 3 })
  await repository.advance()
  await node.importDebs('demo', repository.directory)
  const before = node.node.session
  const { gateway } = node
  const drain = await disk.fill()
  const codes = new Set<string>()
  // Each of these is a fact for the journal, until it has no block left.
  for (let n = 0; before.store.failure === null && n < 200; n++) codes.add(await codeOf(followSomebody(node, n)))
  t.is(before.store.failure?.code, 'DISK_FULL', 'the store has failed')
  t.alike(
    [...codes].filter((code) => code !== 'accepted'),
    ['DISK_FULL'],
    'and nobody saw another error',
  )
  t.is(await codeOf(node.importDebs('demo', repository.directory)), 'DISK_FULL')
  const response = await fetch(`${gateway}/demo/dists/demo/InRelease`)
  await response.body?.cancel()
  if (!response.ok) t.ok(response.headers.has('retry-after'), `HTTP ${response.status}: come back later`)
  await drain()
  await isOpen(node)
  t.not(node.node.session, before)
  t.is(node.gateway, gateway, 'the gateway stayed')
  t.is(node.status('demo').id, id)
  await isServed(t, node, 1, repository.debs)
  await repository.advance()
  t.is((await node.importDebs('demo', repository.directory)).release, 2)
  await isServed(t, node, 2, repository.debs)
})

/** Resolves when the store has been opened again. */
async function isOpen(node: TestNode): Promise<void> {
  await node.until('the store is open', async () => (await codeOf(() => node.node.session)) === 'accepted')
}

/** An id that nobody publishes. */
async function followSomebody(node: TestNode, n: number): Promise<void> {
  const key = Buffer.alloc(32, 1)
  key.writeUInt32BE(n)
  await node.call('follow', { id: encodeId(key), name: `other-${n}` })
}

test('disk full: a follower fetches what does not fit → DISK_FULL, serves on, resumes after', OPTIONS, async (t) => {
  const network = await privateNetwork(t)
  const publisher = await network.node()
  const id = await publisher.createChannel('demo')
  const repository = new GrowingRepository({ directory: await scratchFolder(t), largePieces: TOO_LARGE_PIECES })
  await repository.advance()
  await publisher.importDebs('demo', repository.directory)
  const disk = new TmpDisk(t, await scratchFolder(t))
  const follower = await network.node({ home: join(disk.mountPoint, 'home') })
  await follower.call('follow', { id, name: 'demo' })
  await follower.serves('demo', 1)
  await follower.call('fetch', { channel: 'demo', packages: ['small-0', 'small-1'] })
  const session = follower.node.session
  const { code, message } = await refusalOf(follower.call('fetch', { channel: 'demo', packages: ['large'] }))
  t.is(code, 'DISK_FULL', message)
  t.is(follower.node.session, session, 'the store is not the victim')
  const { debs } = await viewRelease(follower.gateway, 'demo', 1)
  const small = debs.filter(({ name }) => ['small-0', 'small-1'].includes(name))
  t.alike(await brokenFiles(follower.gateway, 'demo', 1, small), [], 'what it has is served')
  const { partial } = follower.node.status().pool
  t.is(partial, 1, 'what came of the large one stays')
  disk.grow()
  await follower.call('fetch', { channel: 'demo', packages: ['large'] })
  await isServed(t, follower, 1, repository.debs)
})

test(
  'disk full: a release arrives at a follower → it comes when there is space, without a restart',
  OPTIONS,
  async (t) => {
    const network = await privateNetwork(t)
    const publisher = await network.node()
    const id = await publisher.createChannel('demo')
    const repository = new GrowingRepository({ directory: await scratchFolder(t), largePieces: 3 })
    await repository.advance()
    await publisher.importDebs('demo', repository.directory)
    const first = repository.debs
    const disk = new TmpDisk(t, await scratchFolder(t))
    const follower = await network.node({ home: join(disk.mountPoint, 'home') })
    await follower.call('follow', { id, name: 'demo' })
    await follower.serves('demo', 1)
    await isServed(t, follower, 1, first)
    await follower.until('all is noted', () => follower.node.status().fetching === 0)
    const drain = await disk.fill()
    await repository.advance()
    await publisher.importDebs('demo', repository.directory)
    await follower.until('it has noticed', () => follower.warnings.some((warning) => warning.includes('DISK_FULL')))
    await drain()
    // The store may fail only now: what arrived while the disk was full is a write that failed.
    const isThere = (): void => assert.equal(follower.status('demo').release, 2)
    await follower.until('release 2 is served', async () => (await codeOf(isThere)) === 'accepted')
    await isServed(t, follower, 2, repository.debs)
    await isServed(t, follower, 1, first)
  },
)
