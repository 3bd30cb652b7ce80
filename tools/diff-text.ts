/** A difference as people read it: by kind, aligned, whole. */
import type { ChangeKind } from '../schemas/package-difference.ts'
import type { DiffItem, DiffResult, ReleaseView } from './history-operations.ts'
import { formatBytes, formatCount } from './output.ts'

const KINDS: readonly ChangeKind[] = ['upgraded', 'downgraded', 'changed', 'added', 'removed']

export function diffText(diff: DiffResult): string {
  const kinds = KINDS.filter((kind) => diff[kind].length > 0)
  const [from, to] = [releaseText(diff.from), releaseText(diff.to)]
  if (kinds.length === 0) return `${from} and ${to} hold the same packages`
  const counts = kinds.map((kind) => `${formatCount(diff[kind].length)} ${kind}`).join(', ')
  const groups = kinds.map((kind) => [`${kind} (${formatCount(diff[kind].length)})`, ...rows(diff[kind])].join('\n'))
  return [`${from} → ${to}: ${counts}; ${formatBytes(diff.bytes)} of packages come`, ...groups].join('\n\n')
}

function releaseText({ channel, release }: ReleaseView): string {
  return `${channel} #${release}`
}

/** Name, architecture, versions; the size last, where numbers end alike. */
function rows(items: readonly DiffItem[]): string[] {
  const cells = items.map((item) => [item.name, item.architecture, versionsText(item), formatBytes(item.size)] as const)
  const widthOf = (column: 0 | 1 | 2 | 3): number => cells.reduce((most, row) => Math.max(most, row[column].length), 0)
  const widths = [widthOf(0), widthOf(1), widthOf(2), widthOf(3)] as const
  return cells.map(([name, architecture, versions, size]) => {
    const words = [name.padEnd(widths[0]), architecture.padEnd(widths[1]), versions.padEnd(widths[2])]
    return `  ${words.join('  ')}  ${size.padStart(widths[3])}`
  })
}

function versionsText({ from, to, sha256, fromSha256 }: DiffItem): string {
  if (from === null || to === null) return to ?? from ?? ''
  if (from !== to) return `${from} → ${to}`
  return `${to} (${fromSha256 === sha256 ? 'same file, other words' : 'other file'})`
}
