/**
 * Tells of advisories and known-bad sets that are about what this machine has, as soon as the log brings them.
 *
 * Each is told once while the node runs, and again after a restart as long as it holds: what is wrong with an installed package is
 * said rather twice than never. Withdrawals are told by themselves (tell-notices.ts), whether the version is installed or not.
 */
import { advisoriesIn, knownBadIn } from '../../schemas/advisory.ts'
import { asFreshetError } from '../../schemas/errors.ts'
import type { KeyHex } from '../../schemas/units.ts'
import { SYSTEM_STATUS } from '../../store/installed-packages.ts'
import type { InstalledStates } from '../../store/installed-packages.ts'
import { concernsOf } from '../concerns.ts'
import type { Concern, Warnings } from '../concerns.ts'
import type { Channel } from '../channel.ts'

export interface TellConcernsDeps {
  readonly states: InstalledStates
  /** dpkg's status file for a channel; null: the machine's own. */
  readonly statusFile: (key: KeyHex) => string | null
  readonly tell: (channel: Channel, concern: Concern) => void
  readonly warn: (message: string) => void
}

export class ConcernTelling {
  readonly #deps: TellConcernsDeps
  readonly #told = new Map<KeyHex, Set<string>>()
  /** One look after the other. */
  #looking: Promise<void> = Promise.resolve()

  constructor(deps: TellConcernsDeps) {
    this.#deps = deps
  }

  /** After the log brought something, or at a start. */
  look(channel: Channel): void {
    this.#looking = this.#looking.then(() => this.#look(channel))
  }

  /** Once the logs are closed: what still waits for changes of maintainers ends then. */
  async close(): Promise<void> {
    await this.#looking
  }

  async #look(channel: Channel): Promise<void> {
    try {
      const told = this.#told.get(channel.key) ?? new Set<string>()
      this.#told.set(channel.key, told)
      for (const concern of await this.#concerns(channel)) {
        const name = JSON.stringify(concern)
        if (!told.has(name) && concern.kind !== 'withdrawn') this.#deps.tell(channel, concern)
        told.add(name)
      }
    } catch (error) {
      const { code, message } = asFreshetError(error)
      // What has not come yet is looked at with the next head; without dpkg there is nothing that could be concerned.
      if (!['NO_PEERS', 'INTERRUPTED', 'STATUS_INVALID'].includes(code)) {
        this.#deps.warn(`${channel.name}: what it warns of cannot be read: ${code}: ${message}`)
      }
    }
  }

  async #concerns(channel: Channel): Promise<Concern[]> {
    const warnings = await warningsOf(channel, null)
    if (warnings.advisories.length === 0 && warnings.knownBad.length === 0) return []
    const { packages } = await this.#deps.states.read(this.#deps.statusFile(channel.key) ?? SYSTEM_STATUS)
    return concernsOf(warnings, packages)
  }
}

/** @param release as of which the metadata is read; null: as of now. @throws FreshetError NO_PEERS. */
export async function warningsOf({ metadata, withdrawn }: Channel, release: number | null): Promise<Warnings> {
  const { state } = (await metadata.view(release)).fold
  return { withdrawn, advisories: advisoriesIn(state), knownBad: knownBadIn(state) }
}
