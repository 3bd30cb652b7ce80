import {
  appendFile,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  stat,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import test from 'brittle'
import { PIECE_BYTES } from '../../schemas/limits.ts'
import { codeOf, collect, fixture, openPool, temporaryFolder, type Fixture } from '../helpers/pool-fixtures.ts'

function fileOf(folder: string, { artifact: { digest } }: Fixture, suffix = ''): string {
  return join(folder, digest.slice(0, 2), `${digest}${suffix}`)
}

async function flipBit(path: string, byteOffset: number): Promise<void> {
  const file = await open(path, 'r+')
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, byteOffset)
  await file.write(Buffer.from([(byte[0] ?? 0) ^ 4]), 0, 1, byteOffset)
  await file.close()
}

async function sourceFile(folder: string, name: string, { bytes }: Fixture): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, bytes)
  return path
}

test('pool: a file is ingested → copied, hashed, served in any range, there after reopen', async (t) => {
  const folder = await temporaryFolder(t)
  const home = join(folder, 'pool')
  for (const some of [fixture(0, 1), fixture(1000, 2), fixture(59_000, 4), fixture(5 * PIECE_BYTES + 7, 3)]) {
    const { digest, byteLength } = some.artifact
    const pool = await openPool(t, home)
    const source = await sourceFile(folder, digest, some)
    const { hashed } = await pool.ingest(source, { digest, byteLength })
    t.alike(hashed, { ...some.artifact, layer: some.layer.length === 0 ? null : some.layer })
    t.alike(await pool.ingest(source, { digest, byteLength }), { digest, byteLength, hashed: null }, 'not hashed again')
    t.alike(await pool.hashed(digest), hashed, 'told again when asked')
    await unlink(source)
    await pool.close()
    const again = await openPool(t, home)
    t.alike(again.held(digest), { byteLength })
    t.alike(await collect(again.stream(digest, 0, byteLength)), some.bytes)
    const [start, end] = [Math.floor(byteLength / 3), Math.floor(byteLength / 2)]
    t.alike(await again.read(digest, start, end - start), some.bytes.subarray(start, end))
    t.is(await codeOf(again.read(digest, byteLength, 1)), 'REQUEST_REFUSED')
    t.is(again.pathOf(digest), fileOf(home, some))
    await again.close()
  }
})

test('pool: a source that is not what was expected → ARTIFACT_MISMATCH or SOURCE_UNAVAILABLE, nothing left', async (t) => {
  const folder = await temporaryFolder(t)
  const home = join(folder, 'pool')
  const pool = await openPool(t, home)
  const [some, other] = [fixture(3000, 1), fixture(3000, 2)]
  const source = await sourceFile(folder, 'other', other)
  t.is(await codeOf(pool.ingest(source, some.artifact)), 'ARTIFACT_MISMATCH')
  t.is(await codeOf(pool.ingest(source, { ...other.artifact, byteLength: 2999 })), 'ARTIFACT_MISMATCH')
  t.is(await codeOf(pool.ingest(join(folder, 'none'), some.artifact)), 'SOURCE_UNAVAILABLE')
  t.is(await codeOf(pool.ingest(folder, some.artifact)), 'SOURCE_UNAVAILABLE')
  t.alike(await readdir(join(home, 'incoming')), [])
  t.is(pool.held(some.artifact.digest), null)
  t.is(await codeOf(pool.read(some.artifact.digest, 0, 1)), 'ARTIFACT_NOT_HELD')
})

test('pool: leftovers of a crash → gone after open', async (t) => {
  const folder = await temporaryFolder(t)
  const some = fixture(1000, 1)
  const first = await openPool(t, folder)
  await first.ingest(await sourceFile(folder, 'source', some), some.artifact)
  await first.close()
  await writeFile(join(folder, 'incoming', 'half'), 'a copy cut short')
  await writeFile(fileOf(folder, some, '.map.0011.tmp'), 'a write cut short')
  await writeFile(fileOf(folder, some, '.map'), 'the rename was done, the removal was not')
  const second = await openPool(t, folder)
  t.alike(second.status(), { artifacts: 1, bytes: 1000, partial: 0 })
  t.alike(await readdir(join(folder, 'incoming')), [])
  t.alike(await readdir(join(folder, some.artifact.digest.slice(0, 2))), [some.artifact.digest])
})

test('pool: any bit of a file flips → never streamed, POOL_CORRUPT, set aside, missing, fetched again', async (t) => {
  const folder = await temporaryFolder(t)
  const home = join(folder, 'pool')
  const pool = await openPool(t, home)
  const places: [number, number[]][] = [
    [20_000, [0, 9_999, 19_999]],
    [3 * PIECE_BYTES + 50, [0, PIECE_BYTES - 1, PIECE_BYTES, 2 * PIECE_BYTES + 1234, 3 * PIECE_BYTES + 49]],
  ]
  for (const [byteLength, offsets] of places) {
    const some = fixture(byteLength, 4)
    const { digest } = some.artifact
    const source = await sourceFile(folder, digest, some)
    for (const offset of offsets) {
      await pool.ingest(source, some.artifact)
      await flipBit(fileOf(home, some), offset)
      const given: Buffer[] = []
      const streamed = (async () => {
        for await (const chunk of pool.stream(digest, 0, byteLength)) given.push(chunk)
      })()
      t.is(await codeOf(streamed), 'POOL_CORRUPT', `bit at ${offset} of ${byteLength}`)
      const good = Math.floor(offset / PIECE_BYTES) * PIECE_BYTES
      t.alike(Buffer.concat(given), some.bytes.subarray(0, good), 'the pieces before it, and not a byte more')
      t.is(pool.held(digest), null)
      t.ok((await stat(fileOf(home, some, '.corrupt'))).isFile())
    }
    await pool.ingest(source, some.artifact)
    t.alike(await collect(pool.stream(digest, 0, byteLength)), some.bytes)
    t.is(await codeOf(stat(fileOf(home, some, '.corrupt'))), 'ENOENT', 'the damaged one goes when a good one is there')
  }
})

test('pool: a file cut short or removed behind its back → POOL_CORRUPT, then missing', async (t) => {
  const folder = await temporaryFolder(t)
  const home = join(folder, 'pool')
  const pool = await openPool(t, home)
  const some = fixture(2 * PIECE_BYTES + 9, 1)
  const { digest, byteLength } = some.artifact
  const source = await sourceFile(folder, 'source', some)
  await pool.ingest(source, some.artifact)
  await truncate(fileOf(home, some), byteLength - 1)
  t.is(await codeOf(pool.read(digest, byteLength - 1, 1)), 'POOL_CORRUPT')
  t.is(pool.held(digest), null)
  await pool.ingest(source, some.artifact)
  await unlink(fileOf(home, some))
  t.is(await codeOf(pool.read(digest, 0, 1)), 'POOL_CORRUPT')
  t.is(pool.held(digest), null)
  await pool.ingest(source, some.artifact)
  t.alike(await pool.read(digest, 0, 9), some.bytes.subarray(0, 9))
})

test('pool: the layer file is missing or damaged → made again from the artifact', async (t) => {
  const folder = await temporaryFolder(t)
  const home = join(folder, 'pool')
  const some = fixture(4 * PIECE_BYTES, 1)
  const { digest, byteLength } = some.artifact
  const first = await openPool(t, home)
  await first.ingest(await sourceFile(folder, 'source', some), some.artifact)
  await first.close()
  const layerPath = fileOf(home, some, '.layer')
  for (const damage of [() => unlink(layerPath), () => flipBit(layerPath, 40), () => truncate(layerPath, 100)]) {
    await damage()
    const pool = await openPool(t, home)
    t.alike(await Promise.all([pool.layer(digest), pool.layer(digest)]), [some.layer, some.layer])
    t.alike(await collect(pool.stream(digest, 0, byteLength)), some.bytes)
    t.ok((await stat(layerPath)).size > some.layer.length, 'and kept for the next time')
    await pool.close()
  }
  const pool = await openPool(t, home)
  await unlink(layerPath)
  await flipBit(fileOf(home, some), 5)
  t.is(await codeOf(pool.layer(digest)), 'POOL_CORRUPT', 'a layer is not made from a damaged file')
  t.is(pool.held(digest), null)
})

test('pool: files are adopted → held and served where they lie, after reopen too, one append for all', async (t) => {
  const folder = await temporaryFolder(t)
  const home = join(folder, 'pool')
  const fixtures = Array.from({ length: 40 }, (_, seed) => fixture(seed * 30_000, seed))
  const entries = await Promise.all(
    fixtures.map(async (some, seed) => ({
      sourcePath: await sourceFile(folder, `${seed}.deb`, some),
      ...some.artifact,
    })),
  )
  const wrong = { ...entries[5]!, digest: fixture(1, 99).artifact.digest }
  const missing = { ...entries[6]!, sourcePath: join(folder, 'none'), digest: fixture(2, 99).artifact.digest }
  const short = { ...entries[7]!, byteLength: 3, digest: fixture(3, 99).artifact.digest }
  const first = await openPool(t, home)
  let last = { filesDone: 0, bytesDone: 0 }
  const { adopted, refused } = await first.adopt([...entries, wrong, missing, short], (progress) => (last = progress))
  t.is(adopted.length, 40)
  const codes = new Map(refused.map(({ sourcePath, error }) => [sourcePath, error.code]))
  t.alike(codes.get(wrong.sourcePath), 'ARTIFACT_MISMATCH')
  t.alike(codes.get(missing.sourcePath), 'SOURCE_UNAVAILABLE')
  t.alike(codes.get(short.sourcePath), 'ARTIFACT_MISMATCH')
  t.is(last.filesDone, 43)
  await first.close()
  const second = await openPool(t, home)
  for (const { artifact, bytes } of fixtures) {
    t.ok((await collect(second.stream(artifact.digest, 0, artifact.byteLength))).equals(bytes))
  }
  t.is(second.pathOf(fixtures[3]!.artifact.digest), entries[3]!.sourcePath)
  t.is(second.status().artifacts, 40)
  t.alike(await readdir(join(home, fixtures[3]!.artifact.digest.slice(0, 2))), [], 'nothing was copied')
})

test('pool: adopted files are rewritten, replaced, touched, removed → each forgotten without an error', async (t) => {
  const folder = await temporaryFolder(t)
  const home = join(folder, 'pool')
  const pool = await openPool(t, home)
  const changes: [string, (path: string) => Promise<void>][] = [
    ['rewritten', (path) => appendFile(path, 'x')],
    ['touched', (path) => utimes(path, 1, 1)],
    ['removed', (path) => unlink(path)],
    [
      'replaced',
      async (path) => {
        const { mtime } = await stat(path)
        await writeFile(`${path}.new`, Buffer.alloc(3000))
        await utimes(`${path}.new`, mtime, mtime)
        await rename(`${path}.new`, path)
      },
    ],
    [
      'a folder now',
      async (path) => {
        await unlink(path)
        await mkdir(path)
      },
    ],
  ]
  for (const [seed, [what, change]] of changes.entries()) {
    const some = fixture(3000, seed)
    const { digest } = some.artifact
    const sourcePath = await sourceFile(folder, `${seed}.deb`, some)
    await pool.adopt([{ sourcePath, ...some.artifact }])
    t.alike(await pool.read(digest, 0, 3000), some.bytes)
    await change(sourcePath)
    t.is(pool.held(digest), null, what)
    t.is(await codeOf(pool.read(digest, 0, 3000)), 'ARTIFACT_NOT_HELD')
  }
  t.is(pool.status().artifacts, 0)
})

test('pool: an adopted file rots without a change of its stat → POOL_CORRUPT, forgotten for good', async (t) => {
  const folder = await temporaryFolder(t)
  const home = join(folder, 'pool')
  const some = fixture(2 * PIECE_BYTES, 1)
  const { digest } = some.artifact
  const sourcePath = await sourceFile(folder, 'a.deb', some)
  await utimes(sourcePath, 1_000_000, 1_000_000)
  const first = await openPool(t, home)
  await first.adopt([{ sourcePath, ...some.artifact }])
  await flipBit(sourcePath, PIECE_BYTES + 3)
  await utimes(sourcePath, 1_000_000, 1_000_000)
  t.ok(first.held(digest), 'nothing to see from outside')
  t.alike(await first.read(digest, 0, 10), some.bytes.subarray(0, 10), 'the other piece is right')
  t.is(await codeOf(first.read(digest, PIECE_BYTES, 10)), 'POOL_CORRUPT')
  t.is(first.held(digest), null)
  await first.close()
  const second = await openPool(t, home)
  t.is(second.held(digest), null)
  t.ok((await stat(sourcePath)).isFile(), 'it is not our file to move')
})

test('pool: an adopted file whose name is taken by another artifact → the new one is adopted and served', async (t) => {
  const folder = await temporaryFolder(t)
  const pool = await openPool(t, join(folder, 'pool'))
  const [some, other] = [fixture(5000, 1), fixture(5000, 2)]
  const sourcePath = await sourceFile(folder, 'a.deb', some)
  await pool.adopt([{ sourcePath, ...some.artifact }])
  await pool.read(some.artifact.digest, 0, 10)
  await rename(await sourceFile(folder, 'b.deb', other), sourcePath)
  await pool.adopt([{ sourcePath, ...other.artifact }])
  t.alike(await pool.read(other.artifact.digest, 0, 5000), other.bytes)
  t.is(pool.held(some.artifact.digest), null)
})

test('pool: the list of adopted files is damaged → its good lines count, and it is written anew', async (t) => {
  const folder = await temporaryFolder(t)
  const home = join(folder, 'pool')
  const log = join(home, 'adopted.log')
  const fixtures = [fixture(1000, 1), fixture(2000, 2), fixture(3000, 3)]
  const first = await openPool(t, home)
  for (const some of fixtures) {
    await first.adopt([{ sourcePath: await sourceFile(folder, some.artifact.digest, some), ...some.artifact }])
  }
  await first.close()
  const lines = (await readFile(log, 'utf8')).split('\n').filter((line) => line !== '')
  t.is(lines.length, 3)
  await writeFile(log, `${lines[0]}\n${lines[1]?.replace('2000', '2001')}\n${lines[2]?.slice(0, 50)}`)
  const second = await openPool(t, home)
  t.alike(
    fixtures.map(({ artifact }) => second.held(artifact.digest) !== null),
    [true, false, false],
  )
  await second.adopt([{ sourcePath: join(folder, fixtures[2]!.artifact.digest), ...fixtures[2]!.artifact }])
  await second.close()
  const third = await openPool(t, home)
  t.alike(
    fixtures.map(({ artifact }) => third.held(artifact.digest) !== null),
    [true, false, true],
  )
})

test('pool: more readers than open files, all at once → every byte right', async (t) => {
  const folder = await temporaryFolder(t)
  const pool = await openPool(t, join(folder, 'pool'))
  const fixtures = Array.from({ length: 200 }, (_, seed) => fixture(2000, seed))
  await pool.adopt(
    await Promise.all(
      fixtures.map(async (some) => ({
        sourcePath: await sourceFile(folder, some.artifact.digest, some),
        ...some.artifact,
      })),
    ),
  )
  for (let round = 0; round < 3; round += 1) {
    const reads = await Promise.all(fixtures.map(({ artifact }) => pool.read(artifact.digest, 0, 2000)))
    t.ok(reads.every((bytes, index) => bytes.equals(fixtures[index]!.bytes)))
  }
  const open = (await readdir('/proc/self/fd')).length
  t.ok(open < 128 + 60, `${open} files are open`)
})
