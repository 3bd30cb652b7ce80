/** Figures of a row: from what single runs measured to one line of a table. */
import { median } from '../bench.ts'

export interface Measured {
  /** Of the whole file set. */
  readonly byteLength: number
  /** Seconds until each receiver that was not killed had everything. */
  readonly finishS: readonly number[]
  readonly lateS: readonly number[]
  /** Bytes of frames that left each node, up to the last finisher. */
  readonly originSent: number
  readonly peersSent: readonly number[]
  /** By full queues and by chance. */
  readonly dropped: number
  /** Of all processes of the engine. */
  readonly cpuS: number
  readonly switchCpuS: number
  /** Of all cores: near nothing, and this machine was what was measured. */
  readonly idleShare: number
  /** The largest of all nodes. */
  readonly peakBytes: number
}

export interface Figures {
  readonly lastOverBound: number
  readonly medianOverBound: number
  readonly p99OverP50: number
  readonly originCopies: number
  readonly largestUploadCopies: number
  readonly bytesMovedShare: number
  readonly droppedShare: number
  readonly cpuSPerGB: number
  readonly switchCpuSPerGB: number
  readonly idleShare: number
  readonly peakMB: number
  /** Of its bound, the slower of the late-comers. Null where there are none. */
  readonly lateShare: number | null
}

const BYTES_PER_GB = 1e9
const BYTES_PER_MB = 1e6

export interface Bounds {
  readonly crowdS: number
  readonly lateS: number | null
}

export function figuresOf(measured: Measured, { crowdS, lateS }: Bounds): Figures {
  const { byteLength, finishS, originSent, peersSent } = measured
  const sent = originSent + peersSent.reduce((sum, bytes) => sum + bytes, 0)
  const delivered = byteLength * finishS.length
  return {
    lastOverBound: Math.max(...finishS) / crowdS,
    medianOverBound: median(finishS) / crowdS,
    p99OverP50: percentile(finishS, 0.99) / percentile(finishS, 0.5),
    originCopies: originSent / byteLength,
    largestUploadCopies: Math.max(0, ...peersSent) / byteLength,
    bytesMovedShare: sent / delivered,
    droppedShare: measured.dropped / delivered,
    cpuSPerGB: (measured.cpuS / delivered) * BYTES_PER_GB,
    switchCpuSPerGB: (measured.switchCpuS / delivered) * BYTES_PER_GB,
    idleShare: measured.idleShare,
    peakMB: measured.peakBytes / BYTES_PER_MB,
    lateShare: lateS === null || measured.lateS.length === 0 ? null : lateS / Math.max(...measured.lateS),
  }
}

/** The smallest value that at least `share` of all do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

/** Each figure by itself, over repeats. @throws when there is none. */
export function mediansOf(runs: readonly Figures[]): Figures {
  const [first] = runs
  if (first === undefined) throw new Error('no run, no figures')
  const entries = Object.keys(first).map((key) => {
    const values = runs.map((run) => run[key as keyof Figures]).filter((value) => value !== null)
    return [key, values.length === 0 ? null : median(values)]
  })
  return Object.fromEntries(entries) as Figures
}
