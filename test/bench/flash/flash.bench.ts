/** Flash crowds on home connections: Freshet, BitTorrent clients and plain HTTP on the same shaped links, in turn. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { aria2 } from './aria2.ts'
import { distributionBoundS, lateBoundS } from './bound.ts'
import type { Engine, Prepared } from './engine.ts'
import { buildFiles, type FileSet } from './files.ts'
import { freshetJustStarted, freshetRunning } from './freshet.ts'
import { http } from './http.ts'
import { libtorrentTuned, libtorrentUsual } from './libtorrent.ts'
import { measure } from './measure.ts'
import { allowCubic, compileSwitch } from './network.ts'
import { type Choice, type EngineName, nodesOf, parseChoice, type Row } from './rows.ts'
import { type Bounds, type Figures, figuresOf, mediansOf } from './statistics.ts'
import { type RowResult, tableOf } from './table.ts'

const ENGINES: Readonly<Record<EngineName, Engine>> = {
  freshet: freshetRunning,
  'freshet-started': freshetJustStarted,
  aria2,
  libtorrent: libtorrentUsual,
  'libtorrent-tuned': libtorrentTuned,
  http,
}
/** In memory where it can be: every node stands for a machine with a disk of its own, and here they would share one. */
const SCRATCH = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
const PREFIX = 'freshet-flash-'

function missing(engines: readonly EngineName[]): string | null {
  if (process.getuid?.() !== 0) return 'needs root, for network namespaces'
  if (!existsSync('/dev/net/tun')) return 'needs /dev/net/tun'
  const commands = ['gcc', 'ip', 'nsenter', 'setpriv', 'sysctl'].filter((command) => !onPath(command))
  if (commands.length > 0) return `needs ${commands.join(', ')}`
  return engines.map((name) => ENGINES[name].missing()).find((sentence) => sentence !== null) ?? null
}

/** Not all of them know `--version`. */
function onPath(command: string): boolean {
  const folders = (process.env['PATH'] ?? '').split(':')
  return folders.some((folder) => existsSync(join(folder, command)))
}

/** What a run that was killed has left: its folder has the number of a process that is gone. Nothing else stays behind. */
function removeStale(): void {
  for (const name of readdirSync(SCRATCH)) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1]
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(SCRATCH, name), { recursive: true, force: true })
  }
}

function boundsOf(row: Row, { byteLength }: FileSet): Bounds {
  const late = nodesOf(row).all.slice(1 + row.receivers.length)
  return {
    crowdS: distributionBoundS(byteLength, row.origin, row.receivers),
    lateS: late.length === 0 ? null : lateBoundS(byteLength, row.receivers, late),
  }
}

/** Every engine in turn, then again: what else this machine does meets all of them alike. */
async function measureRow(
  row: Row,
  { engines, repeats }: Choice,
  switchBinary: string,
  folder: string,
): Promise<RowResult> {
  const files = await buildFiles(join(folder, 'debs'), row.content)
  const bounds = boundsOf(row, files)
  log(`\n${row.name}: ${files.files.length} files, ${files.byteLength} bytes, bound ${bounds.crowdS.toFixed(2)} s`)
  const prepared = new Map<EngineName, Prepared>()
  for (const name of engines) {
    const place = join(folder, name)
    await mkdir(place)
    prepared.set(name, await ENGINES[name].prepare(files, place))
  }
  const runs = new Map<EngineName, Figures[]>(engines.map((name) => [name, []]))
  const failures: { engine: EngineName; why: string }[] = []
  for (let repeat = 1; repeat <= repeats; repeat++) {
    for (const [name, one] of prepared) {
      if (repeat > (ENGINES[name].repeatsMax ?? repeats) || (row.late > 0 && name === 'http')) continue
      const place = join(folder, `run-${name}-${repeat}`)
      try {
        const measured = await measure(one, {
          row,
          files,
          boundS: bounds.crowdS,
          switchBinary,
          folder: place,
          seed: repeat,
        })
        const figures = figuresOf(measured, bounds)
        runs.get(name)?.push(figures)
        log(`  ${name} ${repeat}: ${JSON.stringify(figures, rounded)} load ${(loadavg()[0] ?? 0).toFixed(1)}`)
      } catch (error) {
        failures.push({ engine: name, why: String(error) })
        log(`  ${name} ${repeat}: ${String(error)}`)
      }
      await rm(place, { recursive: true, force: true })
    }
  }
  const engineResults = [...runs].filter(([, figures]) => figures.length > 0)
  return {
    row: row.name,
    receivers: row.receivers.length,
    byteLength: files.byteLength,
    files: files.files.length,
    bounds,
    engines: engineResults.map(([engine, figures]) => ({ engine, runs: figures, median: mediansOf(figures) })),
    failures,
  }
}

function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(3)) : value
}

/** Beside the result, which has standard output for itself. */
function log(line: string): void {
  process.stderr.write(`${line}\n`)
}

async function main(choice: Choice): Promise<void> {
  removeStale()
  const scratch = mkdtempSync(join(SCRATCH, `${PREFIX}${process.pid}-`))
  const disallow = allowCubic()
  const cleanUp = (): void => (disallow(), rmSync(scratch, { recursive: true, force: true }))
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => (cleanUp(), process.exit(1)))
  }
  try {
    const switchBinary = compileSwitch(scratch)
    const results: RowResult[] = []
    for (const row of choice.rows) {
      const folder = join(scratch, row.name)
      await mkdir(folder)
      results.push(await measureRow(row, choice, switchBinary, folder))
      await rm(folder, { recursive: true, force: true })
    }
    console.log(choice.json ? JSON.stringify(results, null, 1) : tableOf(results))
    if (results.some(({ failures }) => failures.length > 0)) process.exitCode = 1
  } finally {
    cleanUp()
  }
}

try {
  const choice = parseChoice(process.argv.slice(2))
  const sentence = missing(choice.engines)
  if (sentence === null) await main(choice)
  else {
    log(`skipped: ${sentence}`)
    process.exitCode = 1
  }
} catch (error) {
  log(String(error))
  process.exitCode = 2
}
