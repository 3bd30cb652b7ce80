/**
 * One benchmark: scratch folders and processes that go away with it, and a table of figures against their bars.
 *
 * A figure is the median of several runs, with the smallest and the largest beside it. Nothing here fails because a
 * machine is slow: whoever reads the table decides.
 */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, cpus, loadavg, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'

export interface Figure {
  readonly what: string
  readonly value: string
  readonly bar: string
}

export class Bench {
  readonly #figures: Figure[] = []
  readonly #cleanups: (() => Promise<unknown>)[] = []

  /** `values` of several runs in one unit; `bar`: what is asked for. */
  figure(what: string, values: readonly number[], unit: string, bar = ''): void {
    this.text(what, `${spread(values)} ${unit}`, bar)
  }

  text(what: string, value: string, bar = ''): void {
    this.#figures.push({ what, value, bar })
    console.log(`  ${what}: ${value}${bar === '' ? '' : ` (bar: ${bar})`}`)
  }

  async folder(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'freshet-bench-'))
    this.after(() => rm(path, { recursive: true, force: true }))
    return path
  }

  /** Runs at the end, last registered first, whatever happened. */
  after(cleanup: () => Promise<unknown>): void {
    this.#cleanups.push(cleanup)
  }

  async close(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup()
  }

  table(): string {
    const rows = this.#figures.map(({ what, value, bar }) => `| ${what} | ${value} | ${bar} |`)
    return ['| what | median (smallest to largest) | bar |', '|---|---|---|', ...rows].join('\n')
  }
}

/** Runs `measure` and prints its table. A benchmark whose input is not on this machine says so and ends well. */
export async function bench(name: string, missing: string | null, measure: (b: Bench) => Promise<void>): Promise<void> {
  console.log(`\n## ${name}\n${machine()}`)
  if (missing !== null) return console.log(`skipped: ${missing}`)
  const b = new Bench()
  try {
    await measure(b)
    console.log(`\n${b.table()}`)
  } finally {
    await b.close()
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const [low = 0, high = 0] = sorted.length % 2 === 1 ? [sorted[middle], sorted[middle]] : sorted.slice(middle - 1)
  return (low + high) / 2
}

export function mega(byteLength: number): number {
  return byteLength / 1e6
}

/** Runs `work` again and again. @returns milliseconds of each run, the first (compiling) left out. */
export async function repeat(runs: number, work: () => unknown): Promise<number[]> {
  const elapsed: number[] = []
  for (let run = 0; run <= runs; run++) {
    const startedAtMs = performance.now()
    await work()
    if (run > 0) elapsed.push(performance.now() - startedAtMs)
  }
  return elapsed
}

export function has(command: string): boolean {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false // not installed
  }
}

function spread(values: readonly number[]): string {
  if (values.length === 1) return rounded(values[0] ?? 0)
  return `${rounded(median(values))} (${rounded(Math.min(...values))} to ${rounded(Math.max(...values))})`
}

function rounded(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2)
}

function machine(): string {
  const model = cpus()[0]?.model.trim() || 'unknown processor'
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  const load = `load ${(loadavg()[0] ?? 0).toFixed(1)} before`
  return `${availableParallelism()} cores, ${model}, ${memory}, Node ${process.versions.node}, ${load}`
}
