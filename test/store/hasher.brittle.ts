import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'brittle'
import { LEAF_BYTES, PIECE_BYTES } from '../../schemas/limits.ts'
import { Hasher } from '../../store/hasher.ts'
import { codeOf, fixture, temporaryFolder } from '../helpers/pool-fixtures.ts'

test('hasher: files of any number of blocks and pieces → digest, root and layer as hashed in this thread', async (t) => {
  const folder = await temporaryFolder(t)
  const hasher = new Hasher(2)
  t.teardown(() => hasher.close(), { order: -1 })
  const lengths = [
    0,
    1,
    LEAF_BYTES,
    LEAF_BYTES + 1,
    59_000,
    PIECE_BYTES,
    PIECE_BYTES + 1,
    4 * PIECE_BYTES,
    17 * PIECE_BYTES + 12345,
  ]
  await Promise.all(
    lengths.map(async (byteLength, seed) => {
      const { bytes, artifact, layer } = fixture(byteLength, seed)
      const path = join(folder, `${byteLength}`)
      await writeFile(path, bytes)
      const hashed = await hasher.hash(path)
      const expected = { ...artifact, layer: layer.length === 0 ? null : layer }
      t.alike(hashed, expected, `${byteLength} bytes`)
    }),
  )
})

test('hasher: a missing file, a folder, a file above its bound → refused, and the next one is hashed', async (t) => {
  const folder = await temporaryFolder(t)
  const hasher = new Hasher(1)
  t.teardown(() => hasher.close(), { order: -1 })
  const path = join(folder, 'file')
  await writeFile(path, Buffer.alloc(1000))
  t.is(await codeOf(hasher.hash(join(folder, 'none'))), 'IO_ERROR')
  t.is(await codeOf(hasher.hash(folder)), 'IO_ERROR')
  t.is(await codeOf(hasher.hash(path, 999)), 'ARTIFACT_MISMATCH')
  t.is((await hasher.hash(path, 1000)).byteLength, 1000)
})

test('hasher: closed while files wait → each is INTERRUPTED', async (t) => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'file')
  await writeFile(path, Buffer.alloc(1000))
  const hasher = new Hasher(1)
  const codes = Promise.all(Array.from({ length: 20 }, () => codeOf(hasher.hash(path))))
  await hasher.close()
  t.alike(new Set(await codes), new Set(['INTERRUPTED']))
  t.is(await codeOf(hasher.hash(path)), 'INTERRUPTED')
})

test('hasher: nothing left to hash and never closed → the process ends by itself', async (t) => {
  const store = new URL('../../store/hasher.ts', import.meta.url)
  const code = `
    const { Hasher } = await import(${JSON.stringify(store.href)})
    console.log((await new Hasher(2).hash(${JSON.stringify(fileURLToPath(store))})).digest.length)`
  const args = ['--import', 'tsx', '--input-type=module', '--eval', code]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 20_000 })
  t.is(stdout.trim(), '64')
})
