import { execFileSync } from 'node:child_process'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { PIECE_BYTES, STORE_RESERVE_BYTES } from '../../schemas/limits.ts'
import { writeDurably } from '../../store/durable.ts'
import { codeOf, fixture, openPool, temporaryFolder, withoutRoot } from '../helpers/pool-fixtures.ts'
import { skipUnless } from '../helpers/requires.ts'

const skipped = skipUnless('root')
const SKIP = { skip: skipped !== null }
if (skipped !== null) console.log(`# ${skipped}`)

const MIB = 1024 * 1024
const SMALL_BYTES = STORE_RESERVE_BYTES + 2 * MIB
const LARGE_BYTES = STORE_RESERVE_BYTES + 32 * MIB

/** @returns a folder on a disk with 2 MiB for the pool, and how to give it more room. */
async function smallDisk(t: Assert): Promise<{ disk: string; grow: () => void }> {
  const disk = await temporaryFolder(t)
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SMALL_BYTES}`, 'tmpfs', disk])
  t.teardown(() => execFileSync('umount', ['--lazy', disk]), { order: -1 })
  return { disk, grow: () => void execFileSync('mount', ['-o', `remount,size=${LARGE_BYTES}`, disk]) }
}

for (const how of ['with', 'without'] as const) {
  test(
    `disk full: pieces arrive ${how} a layer → DISK_FULL, what came stays, goes on after space returns`,
    SKIP,
    async (t) => {
      const { disk, grow } = await smallDisk(t)
      const some = fixture(20 * PIECE_BYTES + 1, 1)
      const pool = await openPool(t, join(disk, 'pool'))
      const partial = await pool.begin(how === 'with' ? some.artifact : withoutRoot(some))
      if (how === 'with') await partial.acceptLayer(some.layer)
      let index = 0
      let code = 'none'
      while (code === 'none') {
        code = await codeOf(partial.write(index, some.piece(index)))
        index += 1
      }
      t.is(code, 'DISK_FULL')
      const refused = index - 1
      t.ok(refused > 0 && refused < 20)
      t.absent(partial.has(refused))
      t.is(partial.heldPieces, refused)
      t.is(await codeOf(partial.write(refused, some.piece(refused))), 'DISK_FULL', 'again, and not another error')
      if (how === 'with') {
        const at = (refused - 1) * PIECE_BYTES
        t.ok((await partial.read(at, PIECE_BYTES)).equals(some.piece(refused - 1)))
      }
      grow()
      for (let rest = 0; rest < partial.pieces; rest += 1) t.ok(await partial.write(rest, some.piece(rest)))
      t.ok(await partial.complete())
      await partial.close()
      t.ok(pool.held(some.artifact.digest))
    },
  )
}

test('disk full: no room for the map → closing says so, and what was claimed before is resumed', SKIP, async (t) => {
  const { disk, grow } = await smallDisk(t)
  const some = fixture(4 * PIECE_BYTES, 1)
  const pool = await openPool(t, join(disk, 'pool'))
  const partial = await pool.begin(withoutRoot(some))
  await partial.write(0, some.piece(0))
  await fill(join(disk, 'filler'))
  t.is(await codeOf(partial.close()), 'DISK_FULL')
  grow()
  const again = await pool.begin(withoutRoot(some))
  t.is(again.heldPieces, 0)
  for (let index = 0; index < 4; index += 1) await again.write(index, some.piece(index))
  t.ok(await again.complete())
  await again.close()
})

test(
  'disk full: a file is ingested or adopted → DISK_FULL, no leftovers, works after space returns',
  SKIP,
  async (t) => {
    const { disk, grow } = await smallDisk(t)
    const elsewhere = await temporaryFolder(t)
    const some = fixture(10 * PIECE_BYTES, 1)
    const sourcePath = join(elsewhere, 'source')
    await writeFile(sourcePath, some.bytes)
    const pool = await openPool(t, join(disk, 'pool'))
    t.is(await codeOf(pool.ingest(sourcePath, some.artifact)), 'DISK_FULL')
    t.alike(await readdir(join(disk, 'pool', 'incoming')), [])
    await fill(join(disk, 'filler'))
    const tiny = fixture(10, 2)
    const tinyPath = join(elsewhere, 'tiny')
    await writeFile(tinyPath, tiny.bytes)
    t.is(await codeOf(pool.adopt([{ sourcePath: tinyPath, ...tiny.artifact }])), 'DISK_FULL')
    t.is(pool.held(tiny.artifact.digest), null, 'not durable, so not held')
    grow()
    t.is((await pool.adopt([{ sourcePath: tinyPath, ...tiny.artifact }])).adopted.length, 1)
    await pool.ingest(sourcePath, some.artifact)
    t.ok(pool.held(some.artifact.digest))
  },
)

test('disk full: a durable write → DISK_FULL with the path, the old content stays', SKIP, async (t) => {
  const { disk } = await smallDisk(t)
  const path = join(disk, 'record')
  await writeDurably(path, Buffer.from('old'))
  t.is(await codeOf(writeDurably(path, Buffer.alloc(SMALL_BYTES + MIB))), 'DISK_FULL')
  t.alike(await readdir(disk), ['record'])
})

/** Takes every block that is left. */
async function fill(path: string): Promise<void> {
  if ((await codeOf(writeFile(path, Buffer.alloc(SMALL_BYTES + MIB)))) !== 'ENOSPC')
    throw new Error('the disk is not full')
}
