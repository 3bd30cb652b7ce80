/** The verdict of an audit in sentences: whether it holds, what was looked at, and the first thing that does not hold. */
import type { AuditFault, AuditGap } from '../schemas/audit-report.ts'
import type { ChannelAudit } from './audit-channel.ts'
import { formatBytes, formatCount } from './output.ts'

/** What a person reads of a long list; `--json` has all of it. */
const LISTED_FAULTS = 10

export function auditText(channel: string, report: ChannelAudit): string {
  const { ok, failures, failuresMore, unchecked } = report
  const count = failures.length + failuresMore
  const verdict = ok
    ? `${channel} holds: everything that was checked is what its log and its signatures say.`
    : count > 0
      ? `${channel} DOES NOT HOLD: ${formatCount(count)} ${count === 1 ? 'thing is' : 'things are'} not what ${count === 1 ? 'it' : 'they'} should be.`
      : `${channel} could not be checked in full; what could be checked holds.`
  const faults = failures.slice(0, LISTED_FAULTS).map((fault, i) => `  ${i === 0 ? 'first: ' : ''}${lineOf(fault)}`)
  if (count > LISTED_FAULTS) faults.push(`  and ${formatCount(count - LISTED_FAULTS)} more`)
  const gaps = unchecked.map((gap) => `  not checked: ${lineOf(gap)}`)
  return [verdict, ...faults, ...gaps, ...scopeOf(report)].join('\n')
}

/** Code, sentence and position of one finding. */
export function lineOf({ code, message, ...position }: AuditFault | AuditGap): string {
  const where = Object.entries(position).map(([name, value]) => `${name} ${value}`)
  return `${code}: ${message}${where.length === 0 ? '' : ` [${where.join(', ')}]`}`
}

function scopeOf(report: ChannelAudit): string[] {
  const { releases, first, last, sample, blocks, logBytes, lookupBlocks, artifacts, signers } = report
  const { indexBytes, releasesPerSecond, indexBytesPerSecond, elapsedMs } = report
  const before = first > 1 ? `; those before #${first} were believed` : ''
  const lines = [
    `log: ${formatCount(blocks)} blocks, ${formatBytes(logBytes)}; look-up index: ${formatCount(lookupBlocks)} blocks`,
    releases === 0 ? 'releases: none' : `releases: #${first} to #${last}, ${formatCount(releases)} of them${before}`,
    `index files made again: ${formatBytes(indexBytes)}${sample === null ? '' : `, of a sample of ${sample.releases.length} by the seed ${sample.seed}: ${sample.releases.map((number) => `#${number}`).join(' ')}`}`,
    ...signers.map(
      ({ fingerprint, releases: signed, channelKey }) =>
        `signed by ${fingerprint}: ${formatCount(signed)} ${signed === 1 ? 'release' : 'releases'}${channelKey ? " (the channel's own key, which says nothing about a distribution)" : ''}`,
    ),
  ]
  if (artifacts !== null) {
    lines.push(`files of packages that are here: ${formatCount(artifacts.files)}, ${formatBytes(artifacts.bytes)}`)
  }
  if (report.verdicts !== null)
    lines.push(`releases whose verdicts were computed anew: ${formatCount(report.verdicts)}`)
  const rate = `${releasesPerSecond.toFixed(1)} releases and ${formatBytes(Math.round(indexBytesPerSecond))} of index files a second`
  return [...lines, `took ${(elapsedMs / 1000).toFixed(1)} s; ${rate}`]
}
