/**
 * Channels that passed to a successor: found by the last word of the old log, followed, and given the name at the first release.
 *
 * Decided from the logs alone, so it is looked at again after every new head and at every start. A successor that does not
 * name the old log and its last head as where it continues is somebody else's: both stop, and what was served stays served.
 */
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import type { Genesis } from '../schemas/events.ts'
import type { Fact } from '../schemas/journal.ts'
import { CHANNEL_NAME_BYTES_MAX, ROTATIONS_MAX } from '../schemas/limits.ts'
import { keyHex } from '../schemas/units.ts'
import type { KeyHex } from '../schemas/units.ts'
import { contains } from '../store/quorum-log.ts'
import type { Rotation } from '../store/release-log.ts'
import type { Channel } from './channel.ts'

export interface RotationDeps {
  readonly channels: () => readonly Channel[]
  /** Opens and follows the successor of `old`, under its id; a channel that is known already is returned as it is. */
  readonly follow: (key: KeyHex, old: Channel) => Promise<Channel>
  /** Whether nothing is heard of this channel any more. */
  readonly isOver: (channel: Channel) => boolean
  readonly record: (fact: Fact) => Promise<void>
  readonly now: () => number
  readonly onTrouble: (channel: Channel, error: FreshetError) => void
}

interface Step {
  readonly old: Channel
  readonly next: Channel
  readonly rotation: Rotation
}

export class Rotations {
  readonly #deps: RotationDeps
  /** By the key of the old log. */
  readonly #steps = new Map<KeyHex, Step>()
  /** One look after the other: two would give a name away twice. */
  #looking: Promise<void> = Promise.resolve()

  constructor(deps: RotationDeps) {
    this.#deps = deps
  }

  /** Where `channel` goes on; itself when it does. */
  newest(channel: Channel): Channel {
    let newest = channel
    for (let i = 0; i < ROTATIONS_MAX; i++) newest = this.#steps.get(newest.key)?.next ?? newest
    return newest
  }

  /** The channel of this key that `channel` was or has become; null: none of them. */
  related(channel: Channel, key: Buffer): Channel | null {
    const newest = this.newest(channel)
    const line = this.#deps.channels().filter((other) => this.newest(other) === newest)
    return line.find(({ log }) => log.core.key.equals(key)) ?? null
  }

  /** Looks whether `channel` has ended, or continues one that has. Trouble is reported, and does not throw. */
  look(channel: Channel): Promise<void> {
    const looking = this.#looking.then(() => this.#look(channel))
    this.#looking = looking.catch((error: unknown) => {
      const failure = asFreshetError(error)
      if (failure.code !== 'NO_PEERS') this.#deps.onTrouble(channel, failure) // else it comes with the next release
    })
    return this.#looking
  }

  async #look(channel: Channel): Promise<void> {
    if (channel.role === 'upstream') return // its forks stay with this log
    const rotation = channel.log.length === 0 ? null : await channel.log.rotation({ local: true })
    if (rotation !== null) await this.#find(channel, rotation)
    for (const step of this.#steps.values()) if (step.next === channel || step.old === channel) await this.#pass(step)
  }

  async #find(old: Channel, rotation: Rotation): Promise<void> {
    if (this.#steps.has(old.key)) return
    if (this.#ancestors(old) >= ROTATIONS_MAX) return this.#stop(old, `it is successor number ${ROTATIONS_MAX + 1}`)
    const next = await this.#deps.follow(keyHex(rotation.successor), old)
    if (this.newest(next) === old) return this.#stop(old, 'it names a channel that it continues')
    this.#steps.set(old.key, { old, next, rotation })
  }

  /** The name goes to the successor once that has a release to serve. Repeating it changes nothing. */
  async #pass({ old, next, rotation }: Step): Promise<void> {
    const genesis = next.log.length === 0 ? null : await next.log.event(0, { local: true })
    if (genesis?.type !== 'genesis') return
    if (!(await continues(genesis, old, rotation))) {
      const what = `its successor ${next.log.id} does not continue it`
      await this.#stop(old, what)
      return this.#stop(next, `it does not continue ${old.log.id}`)
    }
    const hasNoName = next.name === next.log.id
    if (next.history.newest === null || !hasNoName || old.name === old.log.id) return
    const [name, retiredAs] = [old.name, retiredName(old)]
    await this.#deps.record({
      type: 'channel.moved',
      key: old.key,
      retiredAs,
      successor: next.key,
      atMs: this.#deps.now(),
    })
    old.name = retiredAs
    next.name = name
  }

  async #stop(channel: Channel, what: string): Promise<void> {
    if (this.#deps.isOver(channel)) return
    const code = 'ROTATION_INVALID'
    this.#deps.onTrouble(channel, new FreshetError(code, what))
    await this.#deps.record({ type: 'channel.stopped', key: channel.key, code, atMs: this.#deps.now() })
  }

  #ancestors({ key }: Channel): number {
    const before = [...this.#steps.values()].find(({ next }) => next.key === key)
    return before === undefined ? 0 : 1 + this.#ancestors(before.old)
  }
}

async function continues({ predecessor }: Genesis, { log }: Channel, { block }: Rotation): Promise<boolean> {
  if (predecessor === null || predecessor.length !== block || !predecessor.key.equals(log.core.key)) return false
  return contains(log.core, block, predecessor.treeHash)
}

/** A name that commands and the gateway take, unlike one with an @. */
function retiredName({ name, log }: Channel): string {
  const mark = `.${log.id.slice(0, 8)}`
  return `${name.slice(0, CHANNEL_NAME_BYTES_MAX - mark.length)}${mark}`
}
