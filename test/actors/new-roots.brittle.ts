/** Which piece roots a release states, of files in a real pool and stanzas in a real log. */
import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { newRoots, withinBlock } from '../../actors/ports/new-roots.ts'
import { LEAF_BYTES, PIECE_BYTES } from '../../schemas/limits.ts'
import { PieceTreeBuilder } from '../../schemas/piece-tree.ts'
import { parseWhen } from '../../schemas/when.ts'
import { type DigestHex, digestHex } from '../../schemas/units.ts'
import { Pool, type TakenIn } from '../../store/pool.ts'
import type { NewRoots } from '../../store/release-log.ts'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { MAIN, scratchFolder, sha256, stanza, stanzasOf, TestChannel } from '../helpers/channel.ts'
import { privateNetwork, type TestNode } from '../helpers/network.ts'
import { openPool } from '../helpers/pool-fixtures.ts'

const CONTENTS = {
  block: 'b'.repeat(LEAF_BYTES),
  blocks: 'c'.repeat(LEAF_BYTES + 1),
  piece: 'd'.repeat(PIECE_BYTES),
  pieces: 'e'.repeat(PIECE_BYTES + 1),
}
const INDEXES = {
  [MAIN]: Object.entries(CONTENTS)
    .map(([name, content]) => stanza(name, '1', { content }))
    .join(''),
}

function digestOf(content: string): DigestHex {
  return digestHex(sha256(content))
}

function rootsOf(...contents: string[]): NewRoots['roots'] {
  return contents.map((content) => {
    const tree = new PieceTreeBuilder()
    tree.update(Buffer.from(content))
    return { digest: sha256(content), piecesRoot: tree.finish().piecesRoot as Buffer }
  })
}

async function takeIn(t: Assert, pool: Pool, contents: readonly string[]): Promise<TakenIn[]> {
  const folder = await scratchFolder(t)
  const taken: TakenIn[] = []
  for (const [i, content] of contents.entries()) {
    const path = join(folder, `${i}`)
    await writeFile(path, content)
    taken.push(await pool.ingest(path, { digest: digestOf(content), byteLength: content.length }))
  }
  return taken
}

/** As publishing INDEXES next would state them. */
async function rootsNow(pool: Pool, channel: TestChannel, kept: readonly TakenIn[]): Promise<NewRoots> {
  const { history } = channel
  const before =
    history.newest === null
      ? null
      : {
          plan: await history.plan(history.newest.number),
          stanzas: stanzasOf(INDEXES),
          contents: await history.contents(),
        }
  return newRoots(pool, history, before, await channel.compose(INDEXES), kept)
}

test('new roots: files of several blocks → stated with their stanza, once', async (t) => {
  const pool = await openPool(t, join(await scratchFolder(t), 'pool'))
  const channel = await TestChannel.create(t)
  const kept = await takeIn(t, pool, Object.values(CONTENTS))
  const roots = await rootsNow(pool, channel, kept)
  t.alike(roots, { roots: rootsOf(CONTENTS.blocks, CONTENTS.piece, CONTENTS.pieces), lateRoots: [] })
  t.alike(await rootsNow(pool, channel, []), roots, 'held already, and taken in by nobody')
  await channel.publish(INDEXES, {}, roots)
  t.alike(await rootsNow(pool, channel, kept), { roots: [], lateRoots: [] })
})

test('new roots: bytes that come after the stanza → late for several pieces alone', async (t) => {
  const pool = await openPool(t, join(await scratchFolder(t), 'pool'))
  const channel = await TestChannel.create(t)
  await channel.publish(INDEXES)
  const kept = await takeIn(t, pool, Object.values(CONTENTS))
  t.alike(await rootsNow(pool, channel, kept), { roots: [], lateRoots: rootsOf(CONTENTS.pieces) })
})

test('new roots: a file of the pool turns out to be damaged → it has none, and nothing else suffers', async (t) => {
  const pool = await openPool(t, join(await scratchFolder(t), 'pool'))
  const channel = await TestChannel.create(t)
  await takeIn(t, pool, Object.values(CONTENTS))
  await truncate(pool.pathOf(digestOf(CONTENTS.blocks)) as string, 5)
  const { roots } = await rootsNow(pool, channel, [])
  t.alike(roots, rootsOf(CONTENTS.piece, CONTENTS.pieces))
  t.is(pool.held(digestOf(CONTENTS.blocks)), null, 'it counts as missing')
})

test('new roots: more than a block holds → the largest files have theirs', (t) => {
  const files = [3, 9, 5, 7].map((byteLength) => ({ byteLength }))
  const sizes = (...args: Parameters<typeof withinBlock<{ byteLength: number }>>): number[][] => {
    const { own, late } = withinBlock(...args)
    return [own, late].map((list) => list.map(({ byteLength }) => byteLength))
  }
  const all = [3, 9, 5, 7]
  t.alike(sizes(files, files, 0, 8), [all, all], 'all, in their order')
  t.alike(sizes(files, files, 0, 6), [all, [9, 7]], 'both lists are in one block')
  t.alike(sizes(files, files, 0, 3), [[9, 7, 5], []])
  t.alike(sizes([], files, 7, 8), [[], [9]], 'with those that came late before')
  t.alike(sizes([], files, 9, 8), [[], []])
})

test('new roots: .debs are imported → each release has its roots, asked for without peers', async (t) => {
  const debs = await scratchFolder(t)
  const network = await privateNetwork(t)
  const publisher = await network.node({ offline: true })
  await publisher.call('channel.create', { name: 'demo' })
  const bytes = (byteLength: number): Record<string, Buffer> => ({ data: Buffer.alloc(byteLength, 7) })
  const build = (name: string, byteLength: number): Promise<string> =>
    buildDeb(debs, { name, version: '1', architecture: 'all', files: bytes(byteLength), compression: 'none' })
  await build('small', 10)
  await build('medium', 60_000)
  t.is((await publisher.importDebs('demo', debs)).release, 1)
  t.is((await publisher.importDebs('demo', debs)).release, 1, 'nothing new')
  await build('other', 60_000)
  t.is((await publisher.importDebs('demo', debs)).release, 2)
  t.ok(Buffer.isBuffer(await rootOf(publisher, 'medium')))
  t.ok(Buffer.isBuffer(await rootOf(publisher, 'other')))
  t.is(await rootOf(publisher, 'small'), null)

  await publisher.stop()
  await publisher.start()
  const { log, history } = publisher.node.session.channel('demo')
  const { block } = await history.summary(1)
  await log.core.clear(block, block + 1)
  t.is(await rootOf(publisher, 'medium'), null, 'nobody waits for an old block of the log')
  t.ok(Buffer.isBuffer(await rootOf(publisher, 'other')))
})

/** As a fetch of this package would have it. */
async function rootOf({ node }: TestNode, name: string): Promise<Buffer | null> {
  const channel = node.session.channel('demo')
  const { release, stanzas } = await channel.packagesNamed(parseWhen(null), name)
  return channel.rootOf(release, stanzas[0] as (typeof stanzas)[number])
}
