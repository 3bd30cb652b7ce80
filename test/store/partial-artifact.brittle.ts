import { open, readFile, stat, truncate, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'brittle'
import { PARTIAL_SYNC_PIECES, PIECE_BYTES } from '../../schemas/limits.ts'
import type { PartialArtifact } from '../../store/partial-artifact.ts'
import { codeOf, fixture, openPool, temporaryFolder, withoutRoot, type Fixture } from '../helpers/pool-fixtures.ts'

const FOREVER = new AbortController().signal

function fileOf(folder: string, { artifact: { digest } }: Fixture, suffix = ''): string {
  return join(folder, digest.slice(0, 2), `${digest}${suffix}`)
}

function heldPieces(partial: PartialArtifact): number[] {
  return Array.from({ length: partial.pieces }, (_, index) => index).filter((index) => partial.has(index))
}

async function writeAll(partial: PartialArtifact, some: Fixture): Promise<void> {
  for (let index = 0; index < partial.pieces; index += 1) await partial.write(index, some.piece(index))
}

for (const byteLength of [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES - 7]) {
  test(`partial artifact: ${byteLength} bytes arrive in full → held, named, and nothing left of the download`, async (t) => {
    const folder = await temporaryFolder(t)
    const some = fixture(byteLength, 1)
    const pool = await openPool(t, folder)
    const partial = await pool.begin(some.artifact)
    t.ok(await partial.acceptLayer(some.layer))
    await writeAll(partial, some)
    t.is(pool.held(some.artifact.digest), null, 'an incomplete artifact is not held')
    t.ok(await partial.complete())
    t.alike(pool.held(some.artifact.digest), { byteLength })
    await partial.close()
    t.alike(await readFile(fileOf(folder, some)), some.bytes)
    t.is(await codeOf(stat(fileOf(folder, some, '.part'))), 'ENOENT')
    t.is(await codeOf(stat(fileOf(folder, some, '.map'))), 'ENOENT')
    t.alike(await pool.layer(some.artifact.digest), some.layer.length === 0 ? null : some.layer)
    t.alike(pool.status(), { artifacts: 1, bytes: byteLength, partial: 0 })
  })
}

test('partial artifact: bytes that are not the piece → refused, and the right ones taken afterwards', async (t) => {
  const some = fixture(3 * PIECE_BYTES + 10, 1)
  const pool = await openPool(t, await temporaryFolder(t))
  const partial = await pool.begin(some.artifact)
  t.absent(await partial.acceptLayer(fixture(3 * PIECE_BYTES + 10, 2).layer), 'the layer of another file')
  t.absent(await partial.acceptLayer(some.layer.subarray(32)), 'a layer with a piece too few')
  t.ok(await partial.acceptLayer(some.layer))
  t.absent(await partial.write(0, some.piece(1)), 'another piece')
  t.absent(await partial.write(3, some.piece(3).subarray(1)), 'a byte too few')
  t.absent(await partial.write(4, some.piece(3)), 'a piece beyond the end')
  t.absent(await partial.write(-1, some.piece(0)), 'a piece before the start')
  const flipped = Buffer.from(some.piece(0))
  flipped[100_000] = (flipped[100_000] ?? 0) ^ 1
  t.absent(await partial.write(0, flipped), 'one bit')
  t.alike(heldPieces(partial), [])
  t.ok(await partial.write(0, some.piece(0)))
  t.alike(heldPieces(partial), [0])
  t.is(await codeOf(partial.complete()), 'INTERNAL', 'completing what is not complete is a defect of the caller')
  await partial.close()
})

test('partial artifact: one piece that differs from its SHA-256 → refused', async (t) => {
  const some = fixture(1000, 1)
  const pool = await openPool(t, await temporaryFolder(t))
  const partial = await pool.begin(some.artifact)
  t.absent(await partial.write(0, fixture(1000, 2).bytes))
  t.ok(await partial.write(0, some.bytes))
  await partial.close()
})

test('partial artifact: closed and begun again, in this process and the next → the same pieces are held', async (t) => {
  const folder = await temporaryFolder(t)
  const some = fixture(6 * PIECE_BYTES - 1, 1)
  const first = await openPool(t, folder)
  const begun = await first.begin(some.artifact)
  await begun.acceptLayer(some.layer)
  for (const index of [5, 1, 3]) await begun.write(index, some.piece(index))
  await begun.close()
  const again = await first.begin(some.artifact)
  t.ok(again.hasLayer, 'the layer was kept')
  t.alike(heldPieces(again), [1, 3, 5])
  await first.close() // ends the one that is open as well
  const second = await openPool(t, folder)
  t.is(second.status().partial, 1)
  const resumed = await second.begin(some.artifact)
  t.alike(heldPieces(resumed), [1, 3, 5])
  t.alike(await resumed.read(5 * PIECE_BYTES, PIECE_BYTES - 1), some.piece(5))
  await writeAll(resumed, some)
  t.ok(await resumed.complete())
  await resumed.close()
})

test('partial artifact: a piece damaged while nobody looked → not held after resume', async (t) => {
  const folder = await temporaryFolder(t)
  const some = fixture(4 * PIECE_BYTES, 1)
  const first = await openPool(t, folder)
  const begun = await first.begin(some.artifact)
  await begun.acceptLayer(some.layer)
  await writeAll(begun, some)
  await first.close()
  const file = await open(fileOf(folder, some, '.part'), 'r+')
  await file.write(Buffer.from([1, 2, 3]), 0, 3, 2 * PIECE_BYTES + 777)
  await file.close()
  const second = await openPool(t, folder)
  const resumed = await second.begin(some.artifact)
  t.alike(heldPieces(resumed), [0, 1, 3])
  await resumed.close()
})

test('partial artifact: a piece damaged while it is served → POOL_CORRUPT, then missing, then taken again', async (t) => {
  const folder = await temporaryFolder(t)
  const some = fixture(3 * PIECE_BYTES, 1)
  const pool = await openPool(t, folder)
  const partial = await pool.begin(some.artifact)
  await partial.acceptLayer(some.layer)
  await writeAll(partial, some)
  const file = await open(fileOf(folder, some, '.part'), 'r+')
  await file.write(Buffer.from([1, 2, 3]), 0, 3, PIECE_BYTES + 777)
  await file.close()
  t.is(await codeOf(partial.read(PIECE_BYTES + 100_000, 10)), 'POOL_CORRUPT')
  t.alike(heldPieces(partial), [0, 2])
  t.ok(await partial.write(1, some.piece(1)))
  t.ok(await partial.complete())
  await partial.close()
})

const DAMAGED_MAPS: [string, (map: string) => Promise<void>][] = [
  ['missing', (map) => unlink(map)],
  ['cut short', (map) => truncate(map, 60)],
  ['empty', (map) => truncate(map, 0)],
  ['garbage', (map) => writeFile(map, Buffer.alloc(500, 'garbage'))],
]
for (const [what, damage] of DAMAGED_MAPS) {
  test(`partial artifact: its map is ${what} → begins without a layer, and finds the pieces when it has one`, async (t) => {
    const folder = await temporaryFolder(t)
    const some = fixture(4 * PIECE_BYTES, 1)
    const first = await openPool(t, folder)
    const begun = await first.begin(some.artifact)
    await begun.acceptLayer(some.layer)
    for (const index of [0, 2]) await begun.write(index, some.piece(index))
    await first.close()
    await damage(fileOf(folder, some, '.map'))
    const second = await openPool(t, folder)
    const resumed = await second.begin(some.artifact)
    t.absent(resumed.hasLayer)
    t.alike(heldPieces(resumed), [])
    t.ok(await resumed.acceptLayer(some.layer))
    t.alike(heldPieces(resumed), [0, 2])
    await resumed.close()
  })
}

test('partial artifact: the map of another artifact → not believed', async (t) => {
  const folder = await temporaryFolder(t)
  const [some, other] = [fixture(4 * PIECE_BYTES, 1), fixture(4 * PIECE_BYTES, 2)]
  const first = await openPool(t, folder)
  for (const each of [some, other]) {
    const begun = await first.begin(withoutRoot(each))
    await begun.write(each === some ? 1 : 0, each.piece(each === some ? 1 : 0))
    await begun.close()
  }
  await first.close()
  await writeFile(fileOf(folder, some, '.map'), await readFile(fileOf(folder, other, '.map')))
  const second = await openPool(t, folder)
  const resumed = await second.begin(withoutRoot(some))
  t.alike(heldPieces(resumed), [])
  await resumed.close()
})

test('partial artifact: its .part is cut short or too long → only whole pieces of the artifact count', async (t) => {
  const folder = await temporaryFolder(t)
  const some = fixture(4 * PIECE_BYTES, 1)
  const first = await openPool(t, folder)
  const begun = await first.begin(withoutRoot(some))
  for (const index of [0, 1, 2]) await begun.write(index, some.piece(index))
  await first.close()
  await truncate(fileOf(folder, some, '.part'), 2 * PIECE_BYTES - 1)
  const second = await openPool(t, folder)
  const resumed = await second.begin(withoutRoot(some))
  t.alike(heldPieces(resumed), [0])
  await second.close()
  await truncate(fileOf(folder, some, '.part'), 5 * PIECE_BYTES)
  const third = await openPool(t, folder)
  const longer = await third.begin(some.artifact)
  await longer.acceptLayer(some.layer)
  t.alike(heldPieces(longer), [0])
  await writeAll(longer, some)
  t.ok(await longer.complete(), 'what was too long was cut off')
  await longer.close()
})

test('partial artifact: no layer, all right → nothing readable before complete, everything after', async (t) => {
  const some = fixture(3 * PIECE_BYTES + 5, 1)
  const pool = await openPool(t, await temporaryFolder(t))
  const partial = await pool.begin(withoutRoot(some))
  t.absent(await partial.acceptLayer(some.layer), 'without a root, no layer can be believed')
  await writeAll(partial, some)
  t.is(await codeOf(partial.read(0, 10)), 'ARTIFACT_NOT_HELD')
  const waited = partial.waitFor(1, FOREVER)
  t.ok(await partial.complete())
  await waited
  t.alike(await partial.read(PIECE_BYTES - 5, 10), some.bytes.subarray(PIECE_BYTES - 5, PIECE_BYTES + 5))
  t.alike(await pool.layer(some.artifact.digest), some.layer, 'the layer was made while the whole was hashed')
  await partial.close()
})

test('partial artifact: no layer, one wrong piece → complete is false, all pieces dropped, the next try succeeds', async (t) => {
  const folder = await temporaryFolder(t)
  const some = fixture(3 * PIECE_BYTES, 1)
  const pool = await openPool(t, folder)
  const partial = await pool.begin(withoutRoot(some))
  for (const index of [0, 2]) await partial.write(index, some.piece(index))
  t.ok(await partial.write(1, Buffer.alloc(PIECE_BYTES)), 'nobody can tell yet')
  t.absent(await partial.complete())
  t.alike(heldPieces(partial), [])
  t.is(pool.held(some.artifact.digest), null)
  t.is((await stat(fileOf(folder, some, '.part'))).size, 0)
  await writeAll(partial, some)
  t.ok(await partial.complete())
  await partial.close()
})

test('partial artifact: pieces came before the layer → the wrong ones are dropped when it comes', async (t) => {
  const some = fixture(4 * PIECE_BYTES, 1)
  const pool = await openPool(t, await temporaryFolder(t))
  const partial = await pool.begin(some.artifact)
  await partial.write(0, some.piece(0))
  await partial.write(1, Buffer.alloc(PIECE_BYTES, 7))
  const [, accepted] = await Promise.all([
    partial.write(2, Buffer.alloc(PIECE_BYTES, 9)),
    partial.acceptLayer(some.layer),
  ])
  t.ok(accepted)
  t.alike(heldPieces(partial), [0])
  await partial.close()
})

test('partial artifact: no layer, a process that never closed → loses fewer pieces than one sync apart', async (t) => {
  const folder = await temporaryFolder(t)
  const some = fixture((PARTIAL_SYNC_PIECES + 6) * PIECE_BYTES, 1)
  const first = await openPool(t, folder)
  const begun = await first.begin(withoutRoot(some))
  for (let index = 0; index < PARTIAL_SYNC_PIECES + 5; index += 1) await begun.write(index, some.piece(index))
  const second = await openPool(t, folder) // what a restart after kill -9 finds
  const resumed = await second.begin(withoutRoot(some))
  t.is(heldPieces(resumed).length, PARTIAL_SYNC_PIECES)
  await second.close()
})

test('partial artifact: begun twice → one instance, both write, and it ends with the second close', async (t) => {
  const some = fixture(4 * PIECE_BYTES, 1)
  const pool = await openPool(t, await temporaryFolder(t))
  const [one, two] = await Promise.all([pool.begin(some.artifact), pool.begin(withoutRoot(some))])
  t.is(one, two)
  await one.acceptLayer(some.layer)
  const writes = [0, 0, 1, 1, 2, 3].map((index, turn) => (turn % 2 === 0 ? one : two).write(index, some.piece(index)))
  t.alike(new Set(await Promise.all(writes)), new Set([true]))
  t.is(await codeOf(pool.begin({ ...some.artifact, byteLength: 3 })), 'ARTIFACT_MISMATCH')
  await one.close()
  t.alike(await Promise.all([two.complete(), two.complete()]), [true, true])
  await two.close()
  const held = await pool.begin(some.artifact)
  t.not(held, two)
  t.ok(await held.complete(), 'one that is held comes back complete')
  t.alike(await held.read(10, 20), some.bytes.subarray(10, 30))
  await held.close()
})

test('partial artifact: a root becomes known while it arrives → its layer is accepted from then on', async (t) => {
  const some = fixture(2 * PIECE_BYTES, 1)
  const pool = await openPool(t, await temporaryFolder(t))
  const bare = await pool.begin(withoutRoot(some))
  t.absent(await bare.acceptLayer(some.layer))
  const rooted = await pool.begin(some.artifact)
  t.ok(await rooted.acceptLayer(some.layer))
  t.is(await codeOf(pool.begin({ ...some.artifact, piecesRoot: Buffer.alloc(32) })), 'ARTIFACT_MISMATCH')
  await bare.close()
  await rooted.close()
})

test('partial artifact: no layer, two writers of one piece at once → the first counts, the second waits', async (t) => {
  const some = fixture(2 * PIECE_BYTES, 1)
  const pool = await openPool(t, await temporaryFolder(t))
  const partial = await pool.begin(withoutRoot(some))
  const both = [partial.write(0, some.piece(0)), partial.write(0, Buffer.alloc(PIECE_BYTES))]
  t.alike(await Promise.all(both), [true, true])
  await partial.write(1, some.piece(1))
  t.ok(await partial.complete())
  await partial.close()
})

test('partial artifact: readers wait for a piece → woken by it, by abort, or by the end', async (t) => {
  const some = fixture(3 * PIECE_BYTES, 1)
  const pool = await openPool(t, await temporaryFolder(t))
  const partial = await pool.begin(some.artifact)
  await partial.acceptLayer(some.layer)
  const first = partial.waitFor(0, FOREVER)
  const abort = new AbortController()
  const aborted = partial.waitFor(1, abort.signal)
  const ended = codeOf(partial.waitFor(2, FOREVER))
  await partial.write(0, some.piece(0))
  await first
  t.alike(await partial.read(5, 10), some.bytes.subarray(5, 15))
  t.is(await codeOf(partial.read(PIECE_BYTES - 1, 2)), 'ARTIFACT_NOT_HELD')
  t.is(await codeOf(partial.read(3 * PIECE_BYTES - 1, 2)), 'REQUEST_REFUSED')
  abort.abort(Object.assign(new Error('gone'), { code: 'GONE' }))
  t.is(await codeOf(aborted), 'GONE')
  t.is(await codeOf(partial.waitFor(3, FOREVER)), 'REQUEST_REFUSED')
  await partial.close()
  t.is(await ended, 'INTERRUPTED')
  t.is(await codeOf(partial.write(1, some.piece(1))), 'INTERRUPTED')
})

test('partial artifact: read while it completes → every read answers', async (t) => {
  const some = fixture(20 * PIECE_BYTES, 1)
  const pool = await openPool(t, await temporaryFolder(t))
  const partial = await pool.begin(some.artifact)
  await partial.acceptLayer(some.layer)
  await writeAll(partial, some)
  let done = false
  const completed = partial.complete().finally(() => {
    done = true
  })
  let reads = 0
  while (!done || reads < 50) {
    const at = (reads * 70_001) % (19 * PIECE_BYTES)
    if (!(await partial.read(at, 1000)).equals(some.bytes.subarray(at, at + 1000))) t.fail(`read ${reads}`)
    reads += 1
  }
  t.ok(await completed)
  await partial.close()
})

test('partial artifact: discarded → nothing of it is left, for every holder', async (t) => {
  const folder = await temporaryFolder(t)
  const some = fixture(3 * PIECE_BYTES, 1)
  const pool = await openPool(t, folder)
  const one = await pool.begin(some.artifact)
  const two = await pool.begin(some.artifact)
  await one.acceptLayer(some.layer)
  await one.write(0, some.piece(0))
  await one.discard()
  t.is(await codeOf(two.write(1, some.piece(1))), 'INTERRUPTED')
  await two.close()
  t.is(await codeOf(stat(fileOf(folder, some, '.part'))), 'ENOENT')
  t.is(await codeOf(stat(fileOf(folder, some, '.map'))), 'ENOENT')
  const fresh = await pool.begin(some.artifact)
  t.alike([fresh.hasLayer, heldPieces(fresh)], [false, []])
  await fresh.close()
})
