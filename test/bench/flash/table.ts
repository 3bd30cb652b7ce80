/** Results as a table for people. */
import type { EngineName } from './rows.ts'
import type { Bounds, Figures } from './statistics.ts'

export interface RowResult {
  readonly row: string
  readonly receivers: number
  readonly files: number
  readonly byteLength: number
  readonly bounds: Bounds
  readonly engines: readonly {
    readonly engine: EngineName
    readonly runs: readonly Figures[]
    readonly median: Figures
  }[]
  readonly failures: readonly { readonly engine: EngineName; readonly why: string }[]
}

const HEAD = [
  '| row (bound) | engine | last / bound | median / bound | p99 / p50 | origin, copies | largest peer, copies | moved / N·F | dropped | CPU s/GB | CPU idle | peak MB | late, share |',
  '|---|---|---|---|---|---|---|---|---|---|---|---|---|',
]

/** Medians; of the last finisher the smallest and the largest too, where there were several runs. */
export function tableOf(results: readonly RowResult[]): string {
  return [...HEAD, ...results.flatMap(linesOf)].join('\n')
}

function linesOf({ row, bounds, engines, failures }: RowResult): string[] {
  const lines = engines.map(({ engine, runs, median }, i) =>
    line([
      i === 0 ? `${row} (${bounds.crowdS.toFixed(1)} s)` : '',
      engine,
      spread(runs, median),
      two(median.medianOverBound),
      two(median.p99OverP50),
      two(median.originCopies),
      two(median.largestUploadCopies),
      two(median.bytesMovedShare),
      `${(median.droppedShare * 100).toFixed(1)} %`,
      median.cpuSPerGB.toFixed(1),
      `${(median.idleShare * 100).toFixed(0)} %`,
      median.peakMB.toFixed(0),
      median.lateShare === null ? '' : two(median.lateShare),
    ]),
  )
  return [...lines, ...failures.map(({ engine, why }) => line([row, engine, `failed: ${why}`]))]
}

function spread(runs: readonly Figures[], { lastOverBound }: Figures): string {
  const all = runs.map((figures) => figures.lastOverBound)
  if (all.length === 1) return two(lastOverBound)
  return `${two(lastOverBound)} (${two(Math.min(...all))} to ${two(Math.max(...all))})`
}

function two(value: number): string {
  return value.toFixed(2)
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}
