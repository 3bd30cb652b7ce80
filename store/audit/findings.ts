/** What an audit has found so far: faults and gaps, bounded in number, given out in the order of the log. */
import type { AuditFault, AuditFaultCode, AuditGap, AuditGapCode, AuditPosition } from '../../schemas/audit-report.ts'
import { FreshetError } from '../../schemas/errors.ts'
import { AUDIT_FAULTS_MAX } from '../../schemas/limits.ts'

export class Findings {
  readonly #faults: AuditFault[] = []
  #more = 0
  readonly #gaps = new Map<string, { readonly gap: AuditGap; count: number }>()

  fault(code: AuditFaultCode, message: string, position: AuditPosition = {}): void {
    if (this.#faults.length < AUDIT_FAULTS_MAX) this.#faults.push({ code, message, ...position })
    else this.#more++
  }

  /** What `check` refuses is a fault; what a defect or this machine is the reason of goes through. @returns undefined then. */
  attempt<T>(code: AuditFaultCode, position: AuditPosition, check: () => T): T | undefined {
    try {
      return check()
    } catch (error) {
      this.refused(code, position, error)
      return undefined
    }
  }

  /** @throws `error` when it says nothing about what was checked. */
  refused(code: AuditFaultCode, position: AuditPosition, error: unknown): void {
    if (!(error instanceof FreshetError) || NOT_ABOUT_CONTENT.has(error.code)) throw error
    this.fault(code, error.message, position)
  }

  /** The first gap of each kind is told; `group` keeps kinds of one code apart. */
  gap(code: AuditGapCode, message: string, position: AuditPosition = {}, group = ''): void {
    const known = this.#gaps.get(`${code} ${group}`)
    if (known !== undefined) known.count++
    else this.#gaps.set(`${code} ${group}`, { gap: { code, message, ...position }, count: 1 })
  }

  get count(): number {
    return this.#faults.length + this.#more
  }

  /** Checks overlap in time, so positions, not the moment of discovery, say what comes first. */
  get faults(): AuditFault[] {
    return this.#faults.toSorted((a, b) => placeOf(a) - placeOf(b) || (a.block ?? 0) - (b.block ?? 0))
  }

  get more(): number {
    return this.#more
  }

  get gaps(): AuditGap[] {
    return [...this.#gaps.values()].map(({ gap, count }) =>
      count === 1 ? gap : { ...gap, message: `${gap.message} (and ${count - 1} more like it)` },
    )
  }
}

const NOT_ABOUT_CONTENT: ReadonlySet<string> = new Set([
  'STORE_FAILED',
  'NO_PEERS',
  'DISK_FULL',
  'INTERRUPTED',
  'INTERNAL',
])

/** The log first, then the look-up index, then the pool. */
function placeOf({ code }: AuditFault): number {
  if (code.startsWith('ARTIFACT_')) return 2
  return code.startsWith('LOOKUP_ENTRY') || code.startsWith('LOOKUP_BLOCK') ? 1 : 0
}
