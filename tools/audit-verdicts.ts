/** `audit --verdicts`: what releases say about which packages cannot be installed, held against what comes out anew. */
import type { Channel } from '../actors/channel.ts'
import type { Node } from '../actors/node.ts'
import { loggedRelease, releaseBefore, verdictsOf } from '../actors/ports/check-release.ts'
import type { AuditReport } from '../schemas/audit-report.ts'
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import { VERDICT_RULES } from '../schemas/verdict.ts'
import { readRelease } from '../store/release-block.ts'
import { Findings } from '../store/audit/findings.ts'

export interface AuditedVerdicts {
  /** Releases whose verdicts were computed anew. */
  readonly verdicts: number
  readonly report: AuditReport
}

/** What is on the way to a verdict that cannot be computed: the audit itself has said it, or nobody can. */
const STOPPERS = new Set(['NO_PEERS', 'EVENT_INVALID', 'SNAPSHOT_MISMATCH', 'SOLVER_GAVE_UP', 'INDEX_TOO_LARGE'])

/**
 * From release to release, so that each costs its changes.
 * @param report of the audit so far; of a channel that does not hold nothing more is computed.
 */
export async function auditVerdicts(
  node: Node,
  channel: Channel,
  report: AuditReport,
  signal: AbortSignal,
): Promise<AuditedVerdicts> {
  const findings = new Findings()
  const numbers = report.sample?.releases ?? Array.from({ length: report.releases }, (_, i) => report.first + i)
  let verdicts = 0
  for (const number of report.failures.length > 0 ? [] : numbers) {
    if (signal.aborted) throw new FreshetError('INTERRUPTED', 'the audit was interrupted')
    try {
      if (await auditRelease(node, channel, number, findings)) verdicts++
    } catch (error) {
      const { code, message } = asFreshetError(error)
      if (!STOPPERS.has(code)) throw error
      findings.gap('CHECK_STOPPED', `the verdicts of release ${number} were not computed: ${message}`, {
        release: number,
      })
    }
  }
  const { faults, more, gaps } = findings
  const unchecked = [...report.unchecked, ...gaps]
  const failures = [...report.failures, ...faults]
  const ok = report.ok && faults.length + gaps.length === 0
  return { verdicts, report: { ...report, ok, failures, failuresMore: report.failuresMore + more, unchecked } }
}

/** @returns whether the release has verdicts that could be held against something. */
async function auditRelease({ checker }: Node, channel: Channel, number: number, findings: Findings): Promise<boolean> {
  const plan = await channel.history.plan(number)
  const { block } = plan.release
  const { verdicts } = (await readRelease(channel.log, block)).release
  if (verdicts === null) return false
  const position = { block, release: number }
  if (verdicts.some(({ rules }) => rules !== VERDICT_RULES)) {
    findings.gap('VERDICT_OTHER_RULES', `the verdicts of release ${number} are by other rules`, position)
    return false
  }
  const own = verdictsOf(await checker.check(await releaseBefore(channel, plan), loggedRelease(channel, plan), 'none'))
  for (const { architecture, ...said } of verdicts) {
    const { architecture: _, ...found } = own?.find((verdict) => verdict.architecture === architecture) ?? {}
    if (JSON.stringify(said) === JSON.stringify(found)) continue
    const counts = `${said.broken} uninstallable, ${said.became} of them new, ${said.mended} mended`
    findings.fault(
      'VERDICT_WRONG',
      `release ${number} says of ${architecture}: ${counts}; that is not what comes out`,
      position,
    )
  }
  if (own !== null && own.length !== verdicts.length) {
    findings.fault(
      'VERDICT_WRONG',
      `release ${number} has verdicts of ${verdicts.length} architectures, not ${own.length}`,
      position,
    )
  }
  return true
}
