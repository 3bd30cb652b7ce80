/**
 * What the journal says, folded: which channels there are, where the machine of each stands, which artifacts are still wanted.
 *
 * Also the way back: the fewest facts that fold to the same, for compaction. Only facts that moved a machine count, and of each
 * kind the last one, with the head that the machine knew then: it hears of a release only while it prepares one.
 * Tests: test/actors/journal-fold.tape.ts.
 */
import type { SnapshotFrom } from 'xstate'
import type { Fact, FactOf } from '../schemas/journal.ts'
import { JOURNAL_FACTS_MAX } from '../schemas/limits.ts'
import type { KeyHex } from '../schemas/units.ts'
import { FetchHistory } from './fetch-history.ts'
import { followChannel, isFollowFact } from './follow-channel.ts'
import type { FollowFact } from './follow-channel.ts'
import { LocalMirrors } from './local-mirrors.ts'
import { NotificationFold } from './notification-fold.ts'
import { applyFact, initialState } from './recover.ts'
import { watchFreshness } from './watch-freshness.ts'
import type { FreshnessFact } from './watch-freshness.ts'

export interface RecoveredChannel {
  readonly added: FactOf<'channel.added'>
  readonly state: SnapshotFrom<typeof followChannel>
  readonly freshness: SnapshotFrom<typeof watchFreshness>
  /** Position of the release that is ready; 0: none. */
  readonly readyBlock: number
}

/** What a machine's state comes from: lists of none or a few facts. */
interface Reasons {
  readonly head: readonly FollowFact[]
  readonly ready: readonly FollowFact[]
  readonly refused: readonly FollowFact[]
  readonly stopped: readonly FollowFact[]
  readonly frozen: readonly FreshnessFact[]
}

interface ChannelFold extends Omit<RecoveredChannel, 'added'> {
  readonly reasons: Reasons
}

export class JournalFold {
  #count = 0
  readonly #added = new Map<KeyHex, FactOf<'channel.added'>>()
  readonly #folds = new Map<KeyHex, ChannelFold>()
  readonly mirrors = new LocalMirrors()
  readonly notifications: NotificationFold
  readonly fetches = new FetchHistory()

  /** @param notifications folded along, empty. */
  constructor(notifications = new NotificationFold()) {
    this.notifications = notifications
  }

  /** Facts must come in the order in which they were recorded. */
  add(fact: Fact): void {
    this.#count++
    this.mirrors.note(fact)
    if (fact.type !== 'release.ready') this.notifications.note(fact)
    this.fetches.note(fact)
    if (fact.type === 'channel.added') this.#added.set(fact.key, fact)
    else if (fact.type === 'channel.moved') this.#move(fact)
    else if (fact.type === 'journal.compacted') this.#clear()
    else if (isFollowFact(fact) || fact.type === 'channel.frozen' || fact.type === 'channel.thawed') this.#fold(fact)
  }

  get channels(): readonly RecoveredChannel[] {
    return [...this.#added.values()].map((added) => {
      const { state, freshness, readyBlock } = this.#folds.get(added.key) ?? unfolded(added.key)
      return { added, state, freshness, readyBlock }
    })
  }

  /** @returns the facts to go on with, or null while the journal is short or would stay as long. */
  compacted(): readonly Fact[] | null {
    if (this.#count <= JOURNAL_FACTS_MAX) return null
    const facts = this.condensed()
    return facts.length * 2 <= this.#count ? facts : null
  }

  /** The fewest facts that fold to the same. */
  condensed(): readonly Fact[] {
    const channels = [...this.#added.values()].flatMap((added): Fact[] => {
      const { head, ready, refused, stopped, frozen } = (this.#folds.get(added.key) ?? unfolded(added.key)).reasons
      return [added, ...new Set([...ready, ...refused, ...head, ...stopped, ...frozen])] // a head may stand in all three
    })
    const told = this.notifications.condensed([...this.#added.keys()]) // behind what makes releases ready
    return [...channels, ...this.mirrors.facts, ...told, ...this.fetches.facts]
  }

  #fold(fact: FollowFact | FreshnessFact): void {
    const before = this.#folds.get(fact.key) ?? unfolded(fact.key)
    const after = foldFact(before, fact)
    this.#folds.set(fact.key, after)
    if (fact.type === 'release.ready' && after !== before) this.notifications.note(fact)
  }

  /** What is left of the old log is history: this node adds nothing to it. */
  #move({ key, retiredAs, successor }: FactOf<'channel.moved'>): void {
    const [old, next] = [this.#added.get(key), this.#added.get(successor)]
    if (old === undefined || next === undefined) return
    this.#added.set(key, { ...old, name: retiredAs, role: 'follower' })
    this.#added.set(successor, { ...next, name: old.name })
  }

  #clear(): void {
    this.#added.clear()
    this.#folds.clear()
    this.fetches.clear()
    this.mirrors.clear()
    this.notifications.clear()
  }
}

function unfolded(key: KeyHex): ChannelFold {
  const reasons = { head: [], ready: [], refused: [], stopped: [], frozen: [] }
  const freshness = initialState(watchFreshness, { key })
  return { state: initialState(followChannel, { key }), freshness, readyBlock: 0, reasons }
}

function foldFact(fold: ChannelFold, fact: FollowFact | FreshnessFact): ChannelFold {
  if (fact.type === 'channel.frozen' || fact.type === 'channel.thawed') return foldFreshness(fold, fact)
  const state = applyFact(followChannel, fold.state, fact)
  if (state.context === fold.state.context) return fold // no edge was taken: every edge notes something
  const readyBlock = fact.type === 'release.ready' ? fact.block : fold.readyBlock
  return { ...fold, state, readyBlock, reasons: withReason(fold.reasons, fact) }
}

/** A release that becomes ready only makes the machine look at the clock again: it moves nothing that is folded. */
function foldFreshness(fold: ChannelFold, fact: FactOf<'channel.frozen' | 'channel.thawed'>): ChannelFold {
  const freshness = applyFact(watchFreshness, fold.freshness, fact)
  if (freshness.context === fold.freshness.context) return fold
  return { ...fold, freshness, reasons: { ...fold.reasons, frozen: fact.type === 'channel.frozen' ? [fact] : [] } }
}

function withReason(reasons: Reasons, fact: FollowFact): Reasons {
  if (fact.type === 'head.accepted') return { ...reasons, head: [fact] }
  if (fact.type === 'release.ready') return { ...reasons, ready: [...reasons.head, fact], refused: [] }
  if (fact.type === 'release.refused') return { ...reasons, refused: [...reasons.head, fact] }
  return { ...reasons, stopped: [fact] }
}
