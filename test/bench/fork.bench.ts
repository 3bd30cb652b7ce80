/** `freshet fork` of bookworm main: 12 own packages, 3 replacements, 5 removals, 2 pins. The whole command, and what it leaves on disk. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { scanPackages } from '../../schemas/stanza.ts'
import { homeAt } from '../../store/home.ts'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import type { ForkResult } from '../../tools/fork-operations.ts'
import { type Bench, bench, mega } from './bench.ts'
import { missingLists, readIndex, SUITE } from './debian.ts'
import { runFreshet } from './product.ts'

const RUNS = 3
const [OWN, REPLACED, REMOVED, PINNED] = [12, 3, 5, 2]

await bench('fork: bookworm main, 12 own, 3 replaced, 5 left out, 2 pinned', missingLists(), async (b) => {
  const home = await b.folder()
  await runFreshet(['channel', 'create', 'debian', '--home', home])
  await runFreshet(['import', 'debian', '--apt-lists', SUITE, '--home', home])
  const changes = await changesOf(b)
  const [wall, cpu, peak, grown, logged] = [[], [], [], [], []] as [number[], number[], number[], number[], number[]]
  for (let run = 0; run < RUNS; run++) {
    const before = await storeBytes(home)
    const { result, elapsedMs, usage } = await runFreshet(['fork', 'debian', `fork-${run}`, ...changes, '--home', home])
    wall.push(elapsedMs / 1000)
    cpu.push((usage.userMs + usage.systemMs) / 1000)
    peak.push(mega(usage.peakBytes))
    grown.push(mega((await storeBytes(home)) - before))
    logged.push((result as unknown as ForkResult).bytes / 1000)
  }
  b.figure('the whole command: wall', wall, 's', 'at most 2 s')
  b.figure('the whole command: CPU', cpu, 's')
  b.figure('peak memory', peak, 'MB')
  b.figure('blocks in the log of the fork', logged, 'kB', 'at most 1 MB')
  b.figure('growth of the store: log, look-up index, signatures, journal', grown, 'MB', 'at most 1 MB')
})

async function changesOf(b: Bench): Promise<string[]> {
  const names: { name: string; version: string }[] = []
  scanPackages(await readIndex(), 'Packages', (_, { name, version, architecture }) => {
    if (architecture === 'amd64') names.push({ name, version })
  })
  const at = (i: number): { name: string; version: string } =>
    names[(i + 1) * 3_000] as { name: string; version: string }
  const [own, replaced] = [await b.folder(), await b.folder()]
  const files = { 'usr/share/doc/bench/data': Buffer.alloc(20_000, 7) }
  for (let i = 0; i < OWN; i++) {
    await buildDeb(own, { name: `bench-own-${i}`, version: '1', architecture: 'amd64', files })
  }
  for (let i = 0; i < REPLACED; i++) {
    await buildDeb(replaced, { name: at(i).name, version: `${at(i).version}+ours1`, architecture: 'amd64', files })
  }
  const removed = Array.from({ length: REMOVED }, (_, i) => ['--remove', at(REPLACED + i).name])
  const pinned = Array.from({ length: PINNED }, (_, i) => at(REPLACED + REMOVED + i))
  const pins = pinned.map(({ name, version }) => ['--pin', `${name}=${version}`])
  return ['--add', own, '--replace', replaced, ...removed.flat(), ...pins.flat()]
}

/** Blocks that files take up; the rebuilt index in indexes/ is derived and not counted. */
async function storeBytes(home: string): Promise<number> {
  const folder = homeAt(home).store
  let bytes = 0
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).blocks * 512
  }
  return bytes
}
