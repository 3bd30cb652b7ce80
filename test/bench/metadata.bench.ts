/** The metadata document of 5,000 packages, and what 10,000 edits by five maintainers make of it: times and sizes. */
import { encodeMaintainerBlock } from '../../schemas/maintainer-log.ts'
import { MetadataFold } from '../../schemas/metadata-fold.ts'
import { decodeState, encodeState } from '../../schemas/metadata-state.ts'
import { pack } from '../../store/brotli.ts'
import type { ReadChange } from '../../store/maintainer-log.ts'
import { MetadataDocument, type RegisterEdit } from '../../store/metadata-document.ts'
import { maintainerKey, maintainerList, OfflineMaintainer } from '../helpers/offline-maintainers.ts'
import { bench, median, mega, repeat } from './bench.ts'

const PACKAGES = 5_000
const EDITS = 10_000
const MAINTAINERS = 5
/** Each brings registers of so many packages: within the bound of a change. */
const PACKAGES_PER_CHANGE = 200
/** Edits of one maintainer before the others hear of them. */
const EDITS_AT_ONCE = 20
const RUNS = 5

/** A description, a pin, a tag and a note, as a person might write them. */
function registersOf(number: number): RegisterEdit[] {
  const name = `package/lib-${number.toString(36)}-dev`
  return [
    { path: `${name}/description`, value: `What package ${number} is for, said in one line by whoever maintains it` },
    { path: `${name}/pin`, value: `1.${number % 17}-${number % 5}` },
    { path: `${name}/tag/curated`, value: 'yes' },
    { path: `${name}/note`, value: `checked against release ${number % 300}` },
  ]
}

await bench('metadata: 5,000 packages, 10,000 edits', null, async (b) => {
  const list = maintainerList(MAINTAINERS)
  const all = await Promise.all(list.map(({ key }) => OfflineMaintainer.create(key, list)))
  const [first, second] = all as [OfflineMaintainer, OfflineMaintainer]
  const startedAtMs = performance.now()
  for (let from = 0; from < PACKAGES; from += PACKAGES_PER_CHANGE) {
    const numbers = Array.from({ length: PACKAGES_PER_CHANGE }, (_, i) => from + i)
    first.edit(...numbers.flatMap(registersOf))
  }
  b.figure(`write ${PACKAGES} packages, ${4 * PACKAGES} registers`, [performance.now() - startedAtMs], 'ms')
  for (const other of all) other.hearFrom(first, first.log.length)
  await sizes(b, all, 'at first')

  const editMs: number[] = []
  const mergeMs: number[] = []
  for (let edit = 0; edit < EDITS; edit += EDITS_AT_ONCE) {
    const author = all[(edit / EDITS_AT_ONCE) % MAINTAINERS] as OfflineMaintainer
    for (let i = 0; i < EDITS_AT_ONCE; i++) {
      const path = `package/lib-${(((edit + i) * 7919) % PACKAGES).toString(36)}-dev/pin`
      const beganAtMs = performance.now()
      author.edit({ path, value: `2.${edit + i}` })
      editMs.push(performance.now() - beganAtMs)
    }
    for (const other of all) {
      if (other === author) continue
      const beganAtMs = performance.now()
      other.hearFrom(author, EDITS_AT_ONCE)
      other.draft.merge()
      if (other === second) mergeMs.push((performance.now() - beganAtMs) / EDITS_AT_ONCE)
    }
  }
  b.figure('one edit: make the change', [median(editMs)], 'ms')
  b.figure('one change of another maintainer: check, fold and merge', [median(mergeMs)], 'ms')
  await sizes(b, all, `after ${EDITS} edits`)
})

async function sizes(
  b: Parameters<Parameters<typeof bench>[2]>[0],
  all: readonly OfflineMaintainer[],
  when: string,
): Promise<void> {
  const [first, second] = all as [OfflineMaintainer, OfflineMaintainer]
  const { document, fold } = first.draft
  const { state } = fold
  b.figure(`${when}: logs of the maintainers`, [mega(await logBytes(all))], 'MB')
  const encoded = encodeState(state)
  b.figure('— state, packed: what who joins needs', [mega((await pack(encoded)).byteLength)], 'MB')
  b.figure('— state: encode', await repeat(RUNS, () => encodeState(state)), 'ms')
  b.figure(
    '— state: decode and check, ready to go on',
    await repeat(RUNS, () => new MetadataFold(maintainerList(MAINTAINERS), decodeState(encoded))),
    'ms',
  )
  const saved = document.save()
  b.figure('— Automerge document with its history', [mega(saved.byteLength)], 'MB')
  b.figure('— Automerge: save', await repeat(RUNS, () => document.save()), 'ms')
  b.figure('— Automerge: load', await repeat(RUNS, () => MetadataDocument.load(saved, second.key)), 'ms')
  const changes = all.flatMap(({ log }) => log)
  b.figure(`— from ${changes.length} changes: fold alone`, await repeat(1, () => foldAll(all)), 'ms')
  b.figure('— from all changes: fold and merge', await repeat(1, () => mergeAll(all)), 'ms')
}

async function logBytes(all: readonly OfflineMaintainer[]): Promise<number> {
  let total = 0
  for (const { log } of all) for (const change of log) total += (await blockOf(change)).byteLength
  return total
}

async function blockOf({ bytes, follows }: ReadChange): Promise<Buffer> {
  const places = follows.map(({ key, seq }) => ({ key: Buffer.from(key, 'hex'), seq }))
  return encodeMaintainerBlock({
    type: 'change',
    follows: places,
    byteLength: bytes.byteLength,
    compressed: await pack(bytes),
  })
}

function foldAll(all: readonly OfflineMaintainer[]): void {
  const fold = new MetadataFold(maintainerList(MAINTAINERS))
  for (const { key, log } of all) for (const change of log) fold.add(key, change)
}

async function mergeAll(all: readonly OfflineMaintainer[]): Promise<void> {
  const list = [...maintainerList(MAINTAINERS), { key: maintainerKey(MAINTAINERS), name: 'new', lastChange: null }]
  const joined = await OfflineMaintainer.create(maintainerKey(MAINTAINERS), list)
  for (const source of all) joined.hearFrom(source, source.log.length)
  joined.draft.merge()
}
