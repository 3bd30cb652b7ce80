/** `freshet import CHANNEL --apt-lists bookworm` on a fresh home: the whole process, then its parts one by one. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startNode } from '../../actors/node.ts'
import { scanPackages } from '../../schemas/stanza.ts'
import { AdoptedLog } from '../../store/adopted-log.ts'
import { IndexFiles } from '../../store/index-files.ts'
import { Store } from '../../store/open-store.ts'
import { PackageIndex } from '../../store/package-index.ts'
import { Pool } from '../../store/pool.ts'
import { ReleaseLog } from '../../store/release-log.ts'
import { importAptLists } from '../../tools/import/apt-lists.ts'
import { readByAptHelper } from '../../tools/import/decompress.ts'
import { defaultKeyrings } from '../../tools/import/keyring.ts'
import { createSigningKey, verifyClearSigned } from '../../tools/import/openpgp.ts'
import { type Bench, bench, mega } from './bench.ts'
import { aptLists, missingLists, SUITE } from './debian.ts'
import { runFreshet } from './product.ts'

const RUNS = 5
const PARTS_RUNS = 3

await bench('import: bookworm main into a fresh home', missingLists(), async (b) => {
  await whole(b, 'with the .debs of apt’s cache', {})
  const empty = await b.folder()
  const configuration = join(empty, 'apt.conf')
  await writeFile(configuration, `Dir::Cache::archives "${empty}";\n`)
  await whole(b, 'lists alone', { APT_CONFIG: configuration })
  await parts(b)
})

async function whole(b: Bench, what: string, env: NodeJS.ProcessEnv): Promise<void> {
  const runs = []
  for (let run = 0; run < RUNS; run++) {
    const home = await b.folder()
    await runFreshet(['channel', 'create', 'debian', '--home', home])
    runs.push(await runFreshet(['import', 'debian', '--apt-lists', SUITE, '--home', home], env))
  }
  const [first] = runs
  if (first === undefined) throw new Error('no run')
  const { added, artifacts, bytes } = first.result as Record<'added' | 'artifacts' | 'bytes', number>
  b.text(`${what}: packages / artifacts / log`, `${added} / ${artifacts} / ${bytes} B`)
  const wall = runs.map(({ elapsedMs }) => elapsedMs / 1000)
  b.figure(`${what}: wall`, wall, 's', 'at most 10 s')
  const cpu = runs.map(({ usage }) => (usage.userMs + usage.systemMs) / 1000)
  b.figure(`${what}: CPU`, cpu, 's')
  const peak = runs.map(({ usage }) => mega(usage.peakBytes))
  b.figure(`${what}: peak memory`, peak, 'MB', 'at most 700 MB')
}

/** Wall time of each part of a real import in this process. Parts overlap where the import overlaps them. */
async function parts(b: Bench): Promise<void> {
  const elapsed = new Map<string, number[]>()
  const note = (part: string, ms: number): void => void elapsed.set(part, [...(elapsed.get(part) ?? []), ms / 1000])
  const time = async <T>(part: string, work: () => Promise<T> | T): Promise<T> => {
    const startedAtMs = performance.now()
    const result = await work()
    note(part, performance.now() - startedAtMs)
    return result
  }
  observe(Pool.prototype, 'adopt', 'adopt: hash .debs, layers', note)
  observe(AdoptedLog.prototype, 'add', 'adopt: record, fsync', note)
  observe(IndexFiles.prototype, 'store', 'index file written, fsync', note)
  observe(PackageIndex, 'update', 'Hyperbee index', note)
  observe(ReleaseLog.prototype, 'append', 'append: index, log, commit', note)
  observe(Store.prototype, 'sync', 'fsync of the write-ahead log', note)
  const { list, inRelease } = aptLists()
  const keyring = await defaultKeyrings()
  for (let run = 0; run < PARTS_RUNS; run++) {
    const bytes = await time('read and decompress', () => readByAptHelper(list, 2 ** 30))
    const signed = await readFile(inRelease)
    await time('verify the signature', () => verifyClearSigned(signed, keyring, Date.now()))
    await time('scan once', () => scanPackages(bytes, 'Packages', () => {}))
    const draft = await time('draft (the three above, and the cache)', () => importAptLists({ suite: SUITE }))
    const node = await startNode({ home: await b.folder(), network: null })
    const { publicKey, privateKey } = await createSigningKey('bench')
    await node.createChannel('debian', { publicKey: Buffer.from(publicKey), privateKey })
    await time('publish (all below)', () => node.publish('debian', draft, () => {}))
    await node.close()
  }
  for (const [part, seconds] of elapsed) b.figure(part, seconds, 's')
}

/** Wraps a method so that the time until it settles is noted. */
function observe<T extends object>(
  prototype: T,
  method: keyof T & string,
  part: string,
  note: (part: string, ms: number) => void,
): void {
  const original = prototype[method] as (...args: unknown[]) => Promise<unknown>
  const observed = async function (this: T, ...args: unknown[]): Promise<unknown> {
    const startedAtMs = performance.now()
    try {
      return await original.apply(this, args)
    } finally {
      note(part, performance.now() - startedAtMs)
    }
  }
  Object.assign(prototype, { [method]: observed })
}
