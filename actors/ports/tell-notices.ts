/**
 * Tells, in the list of notifications, what happens to a channel beside its releases: versions that are withdrawn, a view that
 * freezes or thaws. At once, whatever the interval: nobody wants to hear tomorrow that what runs here loses files.
 *
 * What is to be told follows from the log and the journal alone, so nothing is lost by a crash and nothing told twice: withdrawals
 * are for ever and in order, and the fold says how many of them were told; of a freeze it says whether it was.
 */
import { randomBytes } from 'node:crypto'
import type { ChannelNotice } from '../../schemas/channel-notice.ts'
import { asFreshetError } from '../../schemas/errors.ts'
import type { Fact } from '../../schemas/journal.ts'
import { matchesGlob } from '../../schemas/package-glob.ts'
import type { KeyHex } from '../../schemas/units.ts'
import type { Withdrawal } from '../../schemas/withdrawal.ts'
import { SYSTEM_STATUS } from '../../store/installed-packages.ts'
import type { InstalledState, InstalledStates } from '../../store/installed-packages.ts'
import type { Pool } from '../../store/pool.ts'
import type { Channel } from '../channel.ts'
import type { NotificationFold } from '../notification-fold.ts'

export interface NoticeDeps {
  readonly fold: NotificationFold
  readonly record: (fact: Fact) => Promise<void>
  /** The same for an entry of the list: one after the other, each with the next number. */
  readonly append: (make: (number: number) => Fact) => Promise<void>
  readonly states: InstalledStates
  readonly pool: Pick<Pool, 'held'>
  readonly now: () => number
  readonly onDefect: (error: unknown) => void
}

type Said = Pick<ChannelNotice, 'kind' | 'release' | 'validUntilMs' | 'withdrawn'>

export class NoticeTelling {
  readonly #deps: NoticeDeps
  /** One look at a channel after the other: two would tell the same. */
  readonly #looks = new Map<KeyHex, Promise<void>>()
  #isClosed = false

  constructor(deps: NoticeDeps) {
    this.#deps = deps
  }

  /** Something may have happened to `channel`. */
  look(channel: Channel): void {
    const { onDefect } = this.#deps
    const before = this.#looks.get(channel.key) ?? Promise.resolve()
    const look = before
      .then(() => this.#look(channel))
      .catch((error: unknown) => {
        if (!this.#isClosed) onDefect(error)
      })
    this.#looks.set(channel.key, look)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#looks.values())
  }

  async #look(channel: Channel): Promise<void> {
    const { fold, now } = this.#deps
    const { key } = channel
    if (this.#isClosed) return
    if (channel.role === 'follower') await this.#tellWithdrawn(channel) // who publishes knows
    const change = fold.freshnessUntold(key)
    if (change === null) return
    const { number: release = 0, validUntilMs = null } = channel.current?.release ?? {}
    await this.#tell(key, { kind: change, release, validUntilMs, withdrawn: null }, now())
  }

  async #tellWithdrawn(channel: Channel): Promise<void> {
    const { fold, record, now } = this.#deps
    const { key } = channel
    const withdrawn = [...channel.withdrawn.values()]
    const told = fold.withdrawnTold(key)
    if (withdrawn.length <= told) return
    if (told === 0 && fold.untold(key).told === 0) {
      // What was withdrawn before the first release came here is no news.
      return record({ type: 'notice.passed', key, withdrawn: withdrawn.length, isFreshnessTold: false, atMs: now() })
    }
    for (const [i, withdrawal] of withdrawn.entries()) {
      if (i < told) continue
      const said = await this.#about(channel, withdrawal)
      if (said !== null) await this.#tell(key, said, now())
      else await record({ type: 'notice.passed', key, withdrawn: i + 1, isFreshnessTold: false, atMs: now() })
    }
  }

  /** Null: nobody here asked to hear of that package, and it is not here. */
  async #about(channel: Channel, { name, version, reason }: Withdrawal): Promise<Said | null> {
    const { packages, installed: onlyInstalled, statusFile } = this.#deps.fold.subscription(channel.key)
    const machine = await this.#machine(statusFile)
    const installed = machine?.packages.some((one) => one.name === name && one.version === version) ?? null
    const held = await isHeld(channel, name, version, this.#deps.pool)
    const isAsked = packages.length === 0 || packages.some((glob) => matchesGlob(glob, name))
    const isWanted = isAsked && (!onlyInstalled || installed !== false)
    if (!isWanted && installed !== true && held !== true) return null
    const release = channel.current?.release.number ?? 0
    return { kind: 'withdrawn', release, validUntilMs: null, withdrawn: { name, version, reason, held, installed } }
  }

  /** Null where it is not known what it has; whoever reads the status file for releases has said why. */
  async #machine(statusFile: string | null): Promise<InstalledState | null> {
    try {
      return await this.#deps.states.read(statusFile ?? SYSTEM_STATUS)
    } catch (error) {
      if (asFreshetError(error).code === 'STATUS_INVALID') return null
      throw error
    }
  }

  async #tell(key: KeyHex, said: Said, atMs: number): Promise<void> {
    await this.#deps.append((number) => {
      return { type: 'notice.made', key, notice: { uid: randomBytes(32), number, ...said }, atMs }
    })
  }
}

/** @returns null where the files of that version are not known without looking further. */
async function isHeld(
  channel: Channel,
  name: string,
  version: string,
  pool: Pick<Pool, 'held'>,
): Promise<boolean | null> {
  try {
    const { stanzas } = await channel.packagesNamed({ kind: 'newest' }, name)
    const files = stanzas.filter((stanza) => stanza.version === version)
    return files.length === 0 ? null : files.some(({ digest }) => pool.held(digest) !== null)
  } catch {
    return null // the notice is not to wait for peers
  }
}
