/** Where a fork stands, and what a merge changes, as people read it. */
import type { ForkCollision, ForkMerge, ForkStatus } from './fork-operations.ts'
import { formatCount } from './output.ts'

/** Lines of one kind that are shown; `--json` has all. */
const SHOWN = 20

export function statusText(status: ForkStatus): string {
  const { channel, release, upstream, rule, auto, uninstallable } = status
  const behind = upstream.newest - upstream.release
  const lines = [
    `${channel} #${release} stands on ${upstream.channel} #${upstream.release}${behind > 0 ? `, ${behind} behind` : ''}; ${rule}, auto ${auto}`,
    mergeText(status),
    ...upstreamText(status),
  ]
  if (uninstallable.length > 0) {
    lines.push(`${formatCount(uninstallable.length)} could not be installed any more:`)
    lines.push(...shown(uninstallable.map(({ reason }) => `  ${reason.join('; ')}`)))
  }
  return lines.join('\n')
}

function upstreamText({ upstream: { channel, trouble, successor } }: ForkStatus): string[] {
  if (trouble !== null) return [`${channel} contradicted itself (${trouble}): nothing of it is taken any more`]
  return successor === null ? [] : [`${channel} goes on as ${successor}: freshet fork ${successor} NAME`]
}

export function mergeText({ from, to, moved, collisions, overruled }: ForkMerge): string {
  if (from === to) return overruledText(overruled) || 'nothing of upstream moves'
  const count = Object.values(moved).reduce((sum, each) => sum + each, 0)
  const names = new Set(collisions.map(({ name }) => name))
  const lines = [
    `upstream #${from} → #${to}: ${formatCount(count)} packages move, ${formatCount(names.size)} collide with the fork's`,
    ...shown([...new Set(collisions.map(collisionText))]),
    overruledText(overruled),
  ]
  return lines.filter((line) => line !== '').join('\n')
}

function collisionText({ name, ours, before, theirs, taken }: ForkCollision): string {
  const [own, old, fresh] = [ours, before, theirs].map((versions) => versions.join(', ') || 'none')
  return `  ${name}  ours ${own}  theirs ${old} → ${fresh}  ${taken}`
}

function overruledText(overruled: readonly string[]): string {
  const names = [...new Set(overruled)]
  return names.length === 0 ? '' : `upstream's is taken instead of the fork's: ${names.join(', ')}`
}

function shown(lines: readonly string[]): string[] {
  return lines.length <= SHOWN
    ? [...lines]
    : [...lines.slice(0, SHOWN), `  and ${formatCount(lines.length - SHOWN)} more`]
}
