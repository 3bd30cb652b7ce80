/**
 * Takes notifications to the targets that this node has: programs, URLs, the desktop. One loop for each, so that none waits for another.
 *
 * In order, one at a time. Done is recorded after the effect: a crash between the two makes it happen once more, under the same
 * uid. What failed is tried again, at times that are in the journal too (actors/notification-policy.ts).
 */
import { asFreshetError } from '../../schemas/errors.ts'
import type { FreshetError } from '../../schemas/errors.ts'
import type { Fact } from '../../schemas/journal.ts'
import { DELIVERED_BYTES_MAX } from '../../schemas/limits.ts'
import { postJson } from '../../protocols/http-post.ts'
import type { NotificationFold } from '../notification-fold.ts'
import { nextDelivery, retryPauseMs } from '../notification-policy.ts'
import type { TargetState } from '../notification-policy.ts'
import { desktopText } from '../notification-text.ts'
import type { KeptEvent } from '../notifier.ts'
import { DueLoop } from './due-loop.ts'
import type { Rest } from './due-loop.ts'
import { runProgram } from './run-program.ts'

/** Takes one notification there. */
export type Effect = (place: string, notification: KeptEvent, signal: AbortSignal) => Promise<void>

export const EFFECTS: Readonly<Record<TargetState['kind'], Effect>> = {
  hook: async (place, notification, signal) =>
    runProgram({
      program: place,
      args: [],
      input: `${jsonOf(notification)}\n`,
      environment: {
        FRESHET_NOTIFICATION: notification.notification,
        FRESHET_EVENT: notification.event,
        FRESHET_CHANNEL: notification.channel,
        FRESHET_RELEASE: String(notification.release),
      },
      signal,
    }),
  webhook: async (place, notification, signal) =>
    postJson({
      url: place,
      body: jsonOf(notification),
      headers: { 'idempotency-key': notification.notification },
      signal,
    }),
  desktop: async (_, notification, signal) => {
    const { summary, body } = desktopText(notification)
    const args = ['--app-name=Freshet', '--', summary, body]
    await runProgram({ program: 'notify-send', args, input: '', environment: {}, signal })
  },
}

export interface DeliverDeps {
  readonly fold: NotificationFold
  readonly eventOf: (number: number) => KeptEvent
  readonly record: (fact: Fact) => Promise<void>
  readonly now: () => number
  readonly rest: Rest
  readonly effects: Readonly<Record<TargetState['kind'], Effect>>
  readonly onTrouble: (target: TargetState, error: FreshetError) => void
  readonly onDefect: (error: unknown) => void
}

export class Deliveries {
  readonly #deps: DeliverDeps
  readonly #loops = new Map<string, DueLoop>()
  #isClosed = false

  constructor(deps: DeliverDeps) {
    this.#deps = deps
  }

  /** After a notification was made, and after targets came or went. */
  wake(): void {
    if (this.#isClosed) return
    for (const { kind, place } of this.#deps.fold.targets) {
      const id = `${kind} ${place}`
      const { rest, onDefect } = this.#deps
      const known = this.#loops.get(id)
      if (known !== undefined) known.wake()
      else this.#loops.set(id, new DueLoop({ step: (signal) => this.#step({ kind, place }, signal), rest, onDefect }))
    }
    for (const [id, loop] of this.#loops) if (!this.#has(id)) void this.#end(id, loop)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#loops.values()].map((loop) => loop.close()))
  }

  #has(id: string): boolean {
    return this.#deps.fold.targets.some(({ kind, place }) => `${kind} ${place}` === id)
  }

  /** One that was removed and named again at once has a new loop only when the old one has ended. */
  async #end(id: string, loop: DueLoop): Promise<void> {
    await loop.close()
    if (this.#loops.get(id) !== loop) return
    this.#loops.delete(id)
    if (this.#has(id)) this.wake()
  }

  async #step(of: Pick<TargetState, 'kind' | 'place'>, signal: AbortSignal): Promise<number | null> {
    const { fold, now } = this.#deps
    const target = fold.target(of)
    if (target === null) return null
    const next = nextDelivery(target, fold.kept, now())
    if (next === null) return null
    if (next.kind === 'wait') return next.ms
    if (next.kind === 'pass') await this.#done(target, next.number, next.code)
    else await this.#deliver(target, next.number, signal)
    return 0
  }

  async #deliver(target: TargetState, number: number, signal: AbortSignal): Promise<void> {
    const { effects, eventOf, fold } = this.#deps
    let failure: FreshetError | null = null
    try {
      await effects[target.kind](target.place, eventOf(number), signal)
    } catch (error) {
      failure = asFreshetError(error)
    }
    if (signal.aborted && failure !== null) return // it is tried again by whoever comes next
    if (failure === null) return this.#done(target, number, '')
    this.#deps.onTrouble(target, failure)
    const isAbsent = target.kind === 'desktop' && failure.detail['errno'] === 'ENOENT'
    if (isAbsent) return this.#done(target, fold.kept.newest, 'DESKTOP_ABSENT')
    await this.#failed(target, number, failure.code)
  }

  async #done({ kind, place }: TargetState, number: number, code: string): Promise<void> {
    await this.#deps.record({ type: 'delivery.done', kind, place, number, code, atMs: this.#deps.now() })
  }

  async #failed({ kind, place, failure }: TargetState, number: number, code: string): Promise<void> {
    const atMs = this.#deps.now()
    const tries = (failure?.tries ?? 0) + 1
    const sinceMs = failure?.sinceMs ?? atMs
    const retryAtMs = atMs + retryPauseMs(tries)
    await this.#deps.record({ type: 'delivery.failed', kind, place, number, tries, sinceMs, retryAtMs, code, atMs })
  }
}

/** Without the list of changes where that is too long for it. */
function jsonOf(notification: KeptEvent): string {
  const whole = JSON.stringify(notification)
  return Buffer.byteLength(whole) <= DELIVERED_BYTES_MAX ? whole : JSON.stringify({ ...notification, changes: null })
}
