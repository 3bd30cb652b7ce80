/** How commands speak: JSON on standard output with --json, else sentences; progress on standard error; errors in one line. */
import cliProgress from 'cli-progress'
import type { Concern } from '../actors/concerns.ts'
import { changeText, inOrderOfWeight, whyText, withdrawnHere } from '../actors/notification-text.ts'
import type { FreshnessChange, NodeEvent, Notification, RolloutNotice, WithdrawalNotice } from '../actors/notifier.ts'
import type { RolloutStatus } from '../actors/status.ts'
import { asFreshetError } from '../schemas/errors.ts'
import type { ErrorCode } from '../schemas/errors.ts'

export interface Output {
  readonly json: boolean
  /** The result of a command: the object as JSON, or the text made from it. */
  result(value: unknown, text: () => string): void
  /** One line of a longer work, for people: nothing with --json. */
  step(text: string): void
  progress(update: unknown): void
  /** Ends the progress bar, so that what follows stands on lines of its own. */
  settle(): void
}

const PHASES: Readonly<Record<string, string>> = {
  download: 'downloading packages',
  files: 'taking in files',
  fetch: 'fetching packages',
  rebuild: 'rebuilding the index',
  snapshot: 'writing packages',
  'audit-blocks': 'checking the log',
  'audit-lookup': 'checking the look-up index',
  'audit-releases': 'checking releases, by blocks',
  'audit-files': 'hashing files of packages',
  compare: 'reading what differs',
}

export function createOutput(json: boolean): Output {
  const bar = json || !process.stderr.isTTY ? null : new ProgressLine()
  return {
    json,
    result(value, text) {
      bar?.stop()
      process.stdout.write(json ? `${JSON.stringify(value)}\n` : `${text()}\n`)
    },
    step(text) {
      bar?.stop()
      if (!json) process.stdout.write(`${text}\n`)
    },
    progress(update) {
      const { phase, done, total, bytes } = update as { phase?: string; done?: number; total?: number; bytes?: number }
      const note = bytes === undefined ? '' : `, ${formatBytes(bytes)}`
      if (phase !== undefined) bar?.show(PHASES[phase] ?? phase, done ?? 0, total ?? 1, note)
    },
    settle: () => bar?.stop(),
  }
}

/** What was asked about was checked, and is not so. */
const FOUND_FALSE: ReadonlySet<ErrorCode> = new Set([
  'EVIDENCE_INVALID',
  'AUDIT_FALSE',
  'PACKAGES_BROKEN',
  'PLAN_IMPOSSIBLE',
])

/** @returns the exit code: 2 for wrong use, 3 for checked and found false, 1 for everything else that was refused or failed. */
export function reportError(error: unknown, json: boolean): number {
  const failure = asFreshetError(error)
  const { code, message, remedy } = failure
  if (json) process.stderr.write(`${JSON.stringify({ error: failure })}\n`)
  else process.stderr.write(`freshet: ${code}: ${message} (${remedy})\n`)
  if (code === 'INTERNAL' && !json && failure.cause instanceof Error) process.stderr.write(`${failure.cause.stack}\n`)
  if (FOUND_FALSE.has(code)) return 3
  return code === 'USAGE' ? 2 : 1
}

export function formatBytes(byteLength: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const unit = byteLength < 1000 ? 0 : Math.min(Math.floor(Math.log10(byteLength) / 3), units.length - 1)
  return `${(byteLength / 1000 ** unit).toFixed(unit === 0 ? 0 : 1)} ${units[unit]}`
}

export function formatCount(count: number): string {
  return count.toLocaleString('en')
}

/** What follows a release that is older than it may be. */
export function frozenText(since: string | null): string {
  return since === null ? '' : `  FROZEN since ${since}`
}

const LISTED_CHANGES = 8

/** One line for people. */
export function eventLine(event: NodeEvent): string {
  if (event.event === 'release') return notificationLine(event)
  if (event.event === 'withdrawn') return withdrawalLine(event)
  if (event.event === 'advisory') return `${event.channel}: ${concernText(event)}`
  return 'validUntil' in event ? freshnessLine(event) : haltLine(event)
}

/** A warning about packages. */
export function concernText({ kind, subject, installed, severity, fixed, reference, text }: Concern): string {
  const what = {
    advisory: `ADVISORY ${subject}`,
    withdrawn: 'WITHDRAWN',
    'known-bad': `KNOWN BAD together ${subject}`,
  }[kind]
  const rated = severity === null ? '' : ` (${severity})`
  const mended = fixed === null ? '' : `; fixed in ${fixed}`
  const said = text === null ? '' : `: ${text.replaceAll('\n', ' ')}`
  return `${what}${rated} ${installed.join(', ')}${said}${mended}${reference === null ? '' : `; ${reference}`}`
}

function haltLine({ event, channel, release, reason, served }: RolloutNotice): string {
  const here = served ? ', and it is what is served here' : ''
  if (event === 'resumed') return `${channel} #${release}: offered again${here}`
  return `${channel} #${release} was HALTED${here}: ${(reason ?? '').replaceAll('\n', ' ')}`
}

/** To whom a release is offered. */
export function rolloutLine({ release, share, halted }: Omit<RolloutStatus, 'taken'>): string {
  const held = halted === null ? '' : `, HALTED: ${halted.replaceAll('\n', ' ')}`
  return `#${release} is offered to ${share === 100 ? 'everybody' : `${share} % of the followers`}${held}`
}

function withdrawalLine({ channel, name, version, reason, ...here }: WithdrawalNotice): string {
  return `${channel}: ${name}=${version} was WITHDRAWN: ${withdrawnHere(here)}${reason.replaceAll('\n', ' ')}`
}

function freshnessLine({ event, channel, release, validUntil }: FreshnessChange): string {
  const until = validUntil === null ? '' : `, good until ${validUntil}`
  if (event === 'thawed') return `${channel} #${release}: no longer frozen${until}`
  return `${channel} #${release}: FROZEN since ${validUntil}: nothing newer was heard of`
}

/** What changed, how much, how far behind. */
function notificationLine(notification: Notification): string {
  const { channel, release, previous, publishedAt, packages, counts, bytes, why, changes, behind } = notification
  const what =
    previous === 0
      ? `${formatCount(packages)} packages`
      : Object.entries(counts)
          .filter(([, count]) => count > 0)
          .map(([kind, count]) => `${formatCount(count)} ${kind}`)
          .join(', ') || 'nothing changed'
  const listed = inOrderOfWeight(changes ?? [])
    .slice(0, LISTED_CHANGES)
    .map(changeText)
  const more = (changes?.length ?? 0) - listed.length
  const names = listed.length === 0 ? '' : `: ${listed.join(', ')}${more > 0 ? ` and ${formatCount(more)} more` : ''}`
  const reason = whyText(why)
  const size = bytes > 0 ? `, ${formatBytes(bytes)} of packages` : ''
  const where = behind === 0 ? 'up to date' : `${behind} release${behind === 1 ? '' : 's'} behind`
  return `${channel} #${release} (${publishedAt.slice(0, 19).replace('T', ' ')}): ${what}${size}${reason === '' ? '' : `, ${reason}`}${names}; ${where}`
}

/** One bar at a time; a new phase replaces the one before. */
class ProgressLine {
  #phase = ''
  #bar: cliProgress.SingleBar | null = null

  show(phase: string, done: number, total: number, note: string): void {
    if (phase !== this.#phase || this.#bar === null) {
      this.stop()
      this.#phase = phase
      this.#bar = new cliProgress.SingleBar({
        format: `${phase} [{bar}] {value}/{total}{note}`,
        hideCursor: true,
        clearOnComplete: true,
      })
      this.#bar.start(total, done, { note })
      return
    }
    this.#bar.setTotal(total)
    this.#bar.update(done, { note })
  }

  stop(): void {
    this.#bar?.stop()
    this.#bar = null
  }
}
