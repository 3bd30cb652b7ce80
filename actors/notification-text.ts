/** A notification in a few words, for people: what changed, and why it matters to this machine. */
import type { NotifiedChange, NotifiedRelease } from '../schemas/notified-release.ts'
import type { KeptEvent, Notification, WithdrawalNotice } from './notifier.ts'

/** Packages that a desktop notification names. */
const NAMED_MAX = 5

/** "3 upgrades for this machine, 1 in conflict with what it has, 2 of security"; empty: nothing of it matters to this machine. */
export function whyText({ upgrade, security, conflicts }: NotifiedRelease['why']): string {
  const parts = [
    ...(upgrade === 0 ? [] : [`${upgrade} ${upgrade === 1 ? 'upgrade' : 'upgrades'} for this machine`]),
    ...(conflicts === 0 ? [] : [`${conflicts} in conflict with what it has`]),
    ...(security === 0 ? [] : [`${security} of security`]),
  ]
  return parts.join(', ')
}

/** `bash 5.2-1 → 5.2-2`, from what this machine has where it has it. */
export function changeText({ name, from, to, installed, conflicts }: NotifiedChange): string {
  if (to === null) return `-${name}`
  const before = installed ?? from
  const what = before === null || before === to ? `${name} ${to}` : `${name} ${before} → ${to}`
  return conflicts.length === 0 ? what : `${what} (does not go with ${conflicts.join(', ')})`
}

/** Changes that do not go with what this machine has come first, then those that it would upgrade to. */
export function inOrderOfWeight(changes: readonly NotifiedChange[]): NotifiedChange[] {
  const weight = ({ upgrade, security, conflicts }: NotifiedChange): number =>
    (conflicts.length > 0 ? 4 : 0) + (upgrade ? 2 : 0) + (security ? 1 : 0)
  return [...changes].sort((a, b) => weight(b) - weight(a))
}

export function desktopText(event: KeptEvent): { summary: string; body: string } {
  const { channel, release } = event
  if (event.event === 'release') return releaseText(event)
  if (event.event !== 'withdrawn') {
    return {
      summary: `${channel} #${release}: ${event.event}`,
      body: event.validUntil === null ? '' : `good until ${event.validUntil}`,
    }
  }
  return {
    summary: `${channel}: ${event.name}=${event.version} was withdrawn`,
    body: `${withdrawnHere(event)}${event.reason}`,
  }
}

/** What a withdrawal has to do with this machine; empty: nothing that is known. */
export function withdrawnHere({ held, installed }: Pick<WithdrawalNotice, 'held' | 'installed'>): string {
  if (installed === true) return 'it is installed here: '
  return held === true ? 'its file is here: ' : ''
}

function releaseText({ channel, release, why, counts, changes }: Notification): { summary: string; body: string } {
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0)
  const what = whyText(why) || (all === 0 ? 'a new release' : `${all} ${all === 1 ? 'change' : 'changes'}`)
  const named = inOrderOfWeight(changes ?? []).slice(0, NAMED_MAX)
  const more = (changes?.length ?? 0) - named.length
  const lines = [...named.map(changeText), ...(more > 0 ? [`and ${more} more`] : [])]
  return { summary: `${channel} #${release}: ${what}`, body: lines.join('\n') }
}
