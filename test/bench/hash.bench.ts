/** The inner loops: piece tree, scan of an index, version order, difference of two real indexes. */
import { createHash, randomBytes } from 'node:crypto'
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'
import { compareVersions } from '../../schemas/debian-version.ts'
import { PieceTreeBuilder } from '../../schemas/piece-tree.ts'
import { StanzaTable } from '../../schemas/stanza-table.ts'
import { scanPackages, splitStanzas } from '../../schemas/stanza.ts'
import { bench, mega, repeat } from './bench.ts'
import { missingLists, readIndex } from './debian.ts'
import { ADDED, REMOVED, UPGRADED, writeNextRelease } from './next-release.ts'

const RUNS = 7
const RANDOM_BYTES = 64 * 2 ** 20
const CHUNK_BYTES = 2 ** 20
const BLOCK_BYTES = 256 * 1024

await bench('hash: inner loops', missingLists(), async (b) => {
  const random = randomBytes(RANDOM_BYTES)
  const perSecond = (byteLength: number, elapsedMs: readonly number[]): number[] =>
    elapsedMs.map((ms) => mega(byteLength) / (ms / 1000))
  const sha = await repeat(RUNS, () => createHash('sha256').update(random).digest())
  const tree = await repeat(RUNS, () => {
    const builder = new PieceTreeBuilder()
    for (let at = 0; at < random.byteLength; at += CHUNK_BYTES) builder.update(random.subarray(at, at + CHUNK_BYTES))
    builder.finish()
  })
  b.figure('SHA-256 alone', perSecond(RANDOM_BYTES, sha), 'MB/s')
  b.figure('SHA-256 and piece tree in one reading', perSecond(RANDOM_BYTES, tree), 'MB/s')
  b.figure(
    '— time / twice SHA-256 alone',
    tree.map((ms, run) => ms / (2 * (sha[run] ?? Number.NaN))),
    'x',
  )

  const index = await readIndex()
  b.figure(
    'splitStanzas of bookworm main',
    perSecond(index.byteLength, await repeat(RUNS, () => splitStanzas(index))),
    'MB/s',
  )
  const scan = await repeat(RUNS, () => scanPackages(index, 'Packages', () => {}))
  b.figure('scanPackages of bookworm main (every stanza parsed and checked)', perSecond(index.byteLength, scan), 'MB/s')

  const versions: string[] = []
  scanPackages(index, 'Packages', (_, { version }) => versions.push(version))
  let order = 0
  const compare = await repeat(RUNS, () => {
    for (let i = 1; i < versions.length; i++) order += compareVersions(versions[i - 1] ?? '', versions[i] ?? '')
  })
  if (Number.isNaN(order)) throw new Error('no order')
  b.figure(
    'compareVersions of real versions',
    compare.map((ms) => (ms * 1e6) / versions.length),
    'ns',
  )

  const { index: next } = await writeNextRelease(await b.folder(), index)
  const runs = [{ block: 1, first: 0, count: splitStanzas(index).length - 1 }]
  const difference = await repeat(RUNS, () => {
    const table = new StanzaTable()
    const after = table.add({ bytes: next, offsets: splitStanzas(next) })
    const before = table.addCopies({ bytes: index, offsets: splitStanzas(index) })
    table.placeRuns(before, runs)
    for (const [i, id] of table.unplaced().entries()) table.place(id, 2, i)
    const { length } = table.script(before, after)
    if (length < UPGRADED) throw new Error('the script is too short')
  })
  b.figure(`difference of two indexes, ${UPGRADED + ADDED + REMOVED} stanzas changed`, difference, 'ms')

  const blocks: Buffer[] = []
  for (let at = 0; at < index.byteLength; at += BLOCK_BYTES) blocks.push(index.subarray(at, at + BLOCK_BYTES))
  const packed = blocks.map((block) => brotliCompressSync(block, { params: { [constants.BROTLI_PARAM_QUALITY]: 6 } }))
  const unpack = await repeat(RUNS, () => packed.forEach((block) => brotliDecompressSync(block)))
  b.figure('brotli, unpacking bookworm main on one core', perSecond(index.byteLength, unpack), 'MB/s')
})
