/**
 * Makes the notifications of one session: for each channel, when one is due (actors/notification-policy.ts), what changed is read,
 * filtered and recorded. The record is the telling: whoever shows or delivers it reads the list.
 *
 * What cannot be read (no peer has an old block yet) is tried again; in the end a release is told without its changes rather
 * than not at all.
 */
import { randomBytes } from 'node:crypto'
import { clearText } from '../../schemas/clear-text.ts'
import { stanzaCount } from '../../schemas/edit-script.ts'
import { asFreshetError } from '../../schemas/errors.ts'
import type { Fact } from '../../schemas/journal.ts'
import { DESCRIBE_TRIES_MAX, RETRY_PAUSE_MS_MAX, RETRY_PAUSE_MS_MIN } from '../../schemas/limits.ts'
import type { NotifiedRelease } from '../../schemas/notified-release.ts'
import { parseRelease } from '../../schemas/release-file.ts'
import type { Subscription } from '../../schemas/subscription.ts'
import type { KeyHex } from '../../schemas/units.ts'
import { SYSTEM_STATUS } from '../../store/installed-packages.ts'
import type { InstalledState, InstalledStates } from '../../store/installed-packages.ts'
import { readPackageChanges } from '../../store/package-changes.ts'
import type { PackageChange } from '../../store/package-changes.ts'
import type { Channel } from '../channel.ts'
import type { NotificationFold } from '../notification-fold.ts'
import { nextTelling } from '../notification-policy.ts'
import type { Telling } from '../notification-policy.ts'
import { isSecurityArchive, isWorthTelling, tellChanges } from '../package-filter.ts'
import type { FilterView } from '../package-filter.ts'
import { upgradeConflicts } from '../upgrade-conflicts.ts'
import { DueLoop } from './due-loop.ts'
import type { Rest } from './due-loop.ts'

export interface TellDeps {
  readonly fold: NotificationFold
  readonly record: (fact: Fact) => Promise<void>
  /** The same for an entry of the list: one after the other, each with the next number. */
  readonly append: (make: (number: number) => Fact) => Promise<void>
  readonly states: InstalledStates
  readonly now: () => number
  readonly rest: Rest
  readonly warn: (message: string) => void
  readonly onDefect: (error: unknown) => void
}

type Due = Extract<Telling, { kind: 'tell' }>

interface Told {
  readonly loop: DueLoop
  readonly channel: Channel
}

export class ReleaseTelling {
  readonly #deps: TellDeps
  readonly #told = new Map<KeyHex, Told>()

  constructor(deps: TellDeps) {
    this.#deps = deps
  }

  /** From now on, releases of `channel` are told. */
  start(channel: Channel): void {
    const { rest, onDefect } = this.#deps
    let tries = 0
    const step = async (signal: AbortSignal): Promise<number | null> => {
      const next = nextTelling(this.#deps.fold.untold(channel.key), this.#deps.now())
      if (next === null) return null
      if (next.kind === 'wait') return next.ms
      const due = { ...next, release: firstTaken(channel, next.release) }
      const retryMs = await this.#tell(channel, due, ++tries >= DESCRIBE_TRIES_MAX, signal)
      if (retryMs === 0) tries = 0
      return retryMs === 0 ? 0 : Math.min(RETRY_PAUSE_MS_MIN * 2 ** tries, RETRY_PAUSE_MS_MAX)
    }
    this.#told.set(channel.key, { channel, loop: new DueLoop({ step, rest, onDefect }) })
  }

  /** Something has changed for this channel: a release, a subscription. */
  wake(key: KeyHex): void {
    this.#told.get(key)?.loop.wake()
  }

  /** Once the logs are closed: what still waits for blocks ends then. */
  async close(): Promise<void> {
    await Promise.all([...this.#told.values()].map(({ loop }) => loop.close()))
  }

  /** @returns 0 when it is recorded, else 1: try again. */
  async #tell(channel: Channel, due: Due, isLastTry: boolean, signal: AbortSignal): Promise<0 | 1> {
    const { key } = channel
    let told: Described
    try {
      told = await this.#describe(channel, due, !isLastTry)
    } catch (error) {
      if (signal.aborted) return 1
      const { code, message } = asFreshetError(error)
      this.#deps.warn(`${channel.name}: what changed in #${due.release} cannot be read: ${code}: ${message}`)
      return 1
    }
    if (signal.aborted) return 1
    const { record, append, now } = this.#deps
    if (due.previous > 0 && !isWorthTelling(told)) {
      await record({ type: 'release.passed', key, number: due.release, atMs: now() })
      return 0
    }
    await append((number) => {
      return { type: 'notification.made', key, notified: { uid: randomBytes(32), number, ...told }, atMs: now() }
    })
    return 0
  }

  async #describe(channel: Channel, { previous, release }: Due, isRead: boolean): Promise<Described> {
    const { history, log } = channel
    const plan = await history.plan(release)
    const { publishedAtMs, releasedAtMs, suite } = plan.release
    const subscription = this.#deps.fold.subscription(channel.key)
    const isCompared = previous > 0 && isRead
    const changes = isCompared ? await readPackageChanges(log, await history.plan(previous), plan) : null
    const view = {
      subscription,
      ...(await this.#machine(changes, subscription)),
      isSecurity: changes !== null && isSecurity(channel, suite),
    }
    const told = tellChanges(changes, view)
    const packages = plan.indexes.reduce((sum, { runs }) => sum + stanzaCount(runs), 0)
    return {
      previous,
      release,
      publishedAtMs,
      releasedAtMs,
      packages,
      behind: Math.max(channel.offered - release, 0),
      interval: subscription.interval,
      ...told,
      counts: previous === 0 ? { ...told.counts, added: packages } : told.counts,
    }
  }

  async #machine(
    changes: readonly PackageChange[] | null,
    subscription: Subscription,
  ): Promise<Pick<FilterView, 'installed' | 'conflicts'>> {
    const machine = changes === null ? null : await this.#installed(subscription)
    if (changes === null || machine === null) return { installed: null, conflicts: new Map() }
    const { packages, versions: installed } = machine
    return { installed, conflicts: upgradeConflicts(changes, packages, installed) }
  }

  /** Null where it is not known: then nothing is held back for it. */
  async #installed({ statusFile, installed: isNeeded }: Subscription): Promise<InstalledState | null> {
    try {
      return await this.#deps.states.read(statusFile ?? SYSTEM_STATUS)
    } catch (error) {
      const { code, message } = asFreshetError(error)
      // A machine without dpkg has none, and that is no trouble.
      if (isNeeded || statusFile !== null) this.#deps.warn(`${code}: ${message}`)
      return null
    }
  }
}

type Described = Omit<NotifiedRelease, 'uid' | 'number'>

/** Release `number`, or the first after it that is not held back from this node: nobody is told of what they do not get. */
function firstTaken({ rollouts, current }: Channel, number: number): number {
  for (let taken = number; taken < (current?.release.number ?? 0); taken++) {
    const state = rollouts.known.get(taken)
    if (state === undefined || rollouts.takes(state)) return taken
  }
  return Math.max(number, current?.release.number ?? 0)
}

/** Also by the label of the newest signed index: it says what the archive is, and does not change from day to day. */
function isSecurity({ current }: Channel, suite: string): boolean {
  if (isSecurityArchive(suite, '')) return true
  return current !== null && isSecurityArchive(suite, parseRelease(clearText(current.inRelease).toString()).label)
}
