/** The newest changes of a metadata document, over all maintainers: what each did, and whether it counts. */
import type { Channel } from '../actors/channel.ts'
import type { MetadataView } from '../actors/channel-metadata.ts'
import { FreshetError } from '../schemas/errors.ts'
import { METADATA_LOG_MAX } from '../schemas/limits.ts'
import type { Maintainer } from '../schemas/metadata-fold.ts'
import { authorOf, authorsOf, type Authors } from './metadata-authors.ts'

export interface LoggedChange {
  readonly by: string
  readonly name: string
  /** The channel whose maintainer they are: this one, or an upstream. */
  readonly of: { readonly channel: string; readonly id: string }
  readonly change: number
  /** The author's clock. */
  readonly at: string
  readonly message: string | null
  readonly registers: readonly { readonly path: string; readonly value: string | null }[]
  /** `counts`, `waits` for what it follows, or `refused`. */
  readonly state: 'counts' | 'waits' | 'refused'
  /** Why it is refused: a stable code. */
  readonly code: string | null
}

interface Placed {
  /** Grows along every path of changes. */
  readonly order: number
  readonly logged: LoggedChange
}

/** @throws FreshetError USAGE, NO_PEERS where a change is not here and nobody gives it. */
export async function newestChanges(channel: Channel, view: MetadataView, limit: number): Promise<LoggedChange[]> {
  if (limit > METADATA_LOG_MAX) throw new FreshetError('USAGE', `at most ${METADATA_LOG_MAX} changes`)
  const placed: Placed[] = []
  const authors = await authorsOf(channel)
  for (const maintainer of [...view.maintainers, ...view.inherited]) {
    placed.push(...(await newestOf(channel, view, authors, maintainer, limit)))
  }
  return placed
    .toSorted((a, b) => b.order - a.order || (a.logged.by < b.logged.by ? 1 : -1))
    .slice(0, limit)
    .map(({ logged }) => logged)
}

async function newestOf(
  channel: Channel,
  { fold, inherited }: MetadataView,
  authors: Authors,
  { key, lastChange }: Maintainer,
  limit: number,
): Promise<Placed[]> {
  const log = await channel.metadata.logOf(key)
  const author = authorOf(authors, channel, key)
  // Of upstream's maintainers what was not taken over yet is no matter of this document.
  const last = inherited.some((known) => known.key === key) ? (lastChange ?? 0) : log.changeCount
  const refusal = fold.refusals.find((refused) => refused.key === key)
  const placed: Placed[] = []
  let order = 0
  for (let seq = Math.max(1, last - limit + 1); seq <= last; seq++) {
    const isLate = lastChange !== null && seq > lastChange
    const isRefused = refusal !== undefined && seq >= refusal.seq
    const code = isLate ? 'CHANGE_AFTER_REMOVAL' : isRefused ? refusal.code : null
    const state = code !== null ? 'refused' : seq <= fold.countOf(key) ? 'counts' : 'waits'
    const common = { ...author, change: seq, state, code } as const
    try {
      const { change } = await log.change(seq)
      const { timeMs, message, ops, startOp } = change
      const registers = ops.map(({ path, value }) => ({ path, value }))
      order = startOp
      placed.push({ order, logged: { ...common, at: new Date(timeMs).toISOString(), message, registers } })
    } catch (error) {
      if (!(error instanceof FreshetError) || error.code === 'NO_PEERS') throw error
      // What cannot be read says nothing, and is listed all the same.
      const unread = {
        ...common,
        state: 'refused',
        code: code ?? error.code,
        at: '',
        message: null,
        registers: [],
      } as const
      placed.push({ order, logged: unread })
    }
  }
  return placed
}
