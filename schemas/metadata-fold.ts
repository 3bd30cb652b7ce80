/**
 * The metadata document of a channel, from the changes of its maintainers: which of them count, and what comes of them.
 *
 * Whether a change counts follows from the list of maintainers and from what the change itself follows, never from the order
 * in which changes arrive; so all who have the same changes have the same document. A change counts when everything it
 * follows counts, its author is a maintainer (and was not removed before it), and it is what its author's log may hold at that
 * position. One that is refused ends that author's log: what comes after it follows it. A change whose past is not here, or
 * does not count, waits.
 *
 * Registers are those of an Automerge map: a value stays until an operation that saw it takes its place; of several that did
 * not see each other the one of the highest operation is shown, and the others with it.
 * Can begin with the state that a log has (`MetadataState`): then the changes before it are not needed, and what needs them
 * (that an operation takes the place of values that are there) is left to those who have them.
 */
import type { AutomergeChange, OpId, RegisterOp } from './automerge-change.ts'
import { FreshetError } from './errors.ts'
import type { ErrorCode } from './errors.ts'
import { MAINTAINER_CHANGES_MAX, METADATA_REGISTERS_MAX } from './limits.ts'
import { requireRegister } from './metadata-paths.ts'
import type { DigestHex, KeyHex } from './units.ts'

/** Whose changes count. */
export interface Maintainer {
  readonly key: KeyHex
  readonly name: string
  /** How many of their changes count; null: all, they were not removed. */
  readonly lastChange: number | null
}

/** A change of a maintainer: number `seq` of theirs. */
export interface ChangePlace {
  readonly key: KeyHex
  readonly seq: number
}

export interface MaintainerChange {
  readonly change: AutomergeChange
  /** Where the changes of `deps` stand, in the same order. */
  readonly follows: readonly ChangePlace[]
}

/** A value of a register, and who gave it. */
export interface RegisterValue {
  readonly value: string
  readonly counter: number
  readonly actor: KeyHex
  readonly seq: number
  readonly timeMs: number
}

/** The newest change of a maintainer that counts. */
export interface MaintainerHead extends ChangePlace {
  readonly hash: DigestHex
  readonly lastOp: number
}

/** All of a document that matters for what comes next. */
export interface MetadataState {
  readonly heads: readonly MaintainerHead[]
  /** Changes that no other one follows. */
  readonly tips: readonly DigestHex[]
  /** Values by path, the one that is shown first. */
  readonly registers: ReadonlyMap<string, readonly RegisterValue[]>
}

export const EMPTY_STATE: MetadataState = { heads: [], tips: [], registers: new Map() }

export interface Refusal extends ChangePlace {
  readonly code: ErrorCode
  readonly message: string
}

/** What is known of a change that counts. */
interface Known {
  readonly hash: DigestHex
  readonly lastOp: number
  /** How many changes of each maintainer its author had seen; null: it stands before the state that this began with. */
  readonly clock: ReadonlyMap<KeyHex, number> | null
}

export class MetadataFold {
  readonly #maintainers: ReadonlyMap<KeyHex, Maintainer>
  readonly #counted = new Map<KeyHex, number>()
  readonly #waiting = new Map<KeyHex, MaintainerChange[]>()
  readonly #refusals = new Map<KeyHex, Refusal>()
  readonly #known = new Map<string, Known>()
  readonly #registers: Map<string, readonly RegisterValue[]>
  /** Every value that was ever set: path, counter and actor → the change of it. */
  readonly #everSet = new Map<string, number>()
  readonly #tips: Set<DigestHex>
  /** Whether it has all changes from the first on. */
  readonly #isWhole: boolean

  /** @throws FreshetError EVENT_INVALID when a key is listed twice. */
  constructor(maintainers: readonly Maintainer[], base: MetadataState = EMPTY_STATE) {
    this.#maintainers = new Map(maintainers.map((maintainer) => [maintainer.key, maintainer]))
    if (this.#maintainers.size !== maintainers.length) {
      throw new FreshetError('EVENT_INVALID', 'two maintainers have one key')
    }
    this.#isWhole = base.heads.length === 0
    this.#registers = new Map(base.registers)
    this.#tips = new Set(base.tips)
    for (const { key, seq, hash, lastOp } of base.heads) {
      this.#counted.set(key, seq)
      this.#known.set(placeName({ key, seq }), { hash, lastOp, clock: null })
    }
  }

  /**
   * Takes up the next change of a maintainer, and every other one that waited for it. Changes of one key come in order.
   * @throws FreshetError MAINTAINER_UNKNOWN; METADATA_FULL, and then this fold is of no use any more.
   */
  add(key: KeyHex, next: MaintainerChange): void {
    if (!this.#maintainers.has(key)) {
      throw new FreshetError('MAINTAINER_UNKNOWN', 'changes of this key do not count', { key })
    }
    const waiting = this.#waiting.get(key) ?? []
    waiting.push(next)
    this.#waiting.set(key, waiting)
    if (waiting.length === 1) this.#settle()
  }

  /** A change before the state that this began with, because one that is new follows it. */
  learn(place: ChangePlace, { change }: MaintainerChange): void {
    this.#known.set(placeName(place), { hash: change.hash, lastOp: lastOpOf(change), clock: null })
    this.#settle()
  }

  /** Changes before the state that this began with, that must be learnt before others can count. */
  get unknown(): readonly ChangePlace[] {
    const unknown = new Map<string, ChangePlace>()
    for (const [next] of this.#waiting.values()) {
      for (const place of next?.follows ?? []) {
        const isBefore = place.seq >= 1 && place.seq <= this.#countOf(place.key)
        if (isBefore && !this.#known.has(placeName(place))) unknown.set(placeName(place), place)
      }
    }
    return [...unknown.values()]
  }

  /** How many changes of a maintainer count. */
  countOf(key: KeyHex): number {
    return this.#countOf(key)
  }

  get refusals(): readonly Refusal[] {
    return [...this.#refusals.values()]
  }

  get state(): MetadataState {
    const heads: MaintainerHead[] = []
    for (const [key, seq] of this.#counted) {
      const { hash, lastOp } = this.#known.get(placeName({ key, seq })) as Known
      heads.push({ key, seq, hash, lastOp })
    }
    return {
      heads: heads.toSorted((a, b) => (a.key < b.key ? -1 : 1)),
      tips: [...this.#tips].toSorted(),
      registers: this.#registers,
    }
  }

  #countOf(key: KeyHex): number {
    return this.#counted.get(key) ?? 0
  }

  /** Until nothing moves any more: each change that counts may be what others waited for. */
  #settle(): void {
    for (let moved = true; moved;) {
      moved = false
      for (const [key, waiting] of this.#waiting) {
        let taken = 0
        while (taken < waiting.length && this.#take(key, waiting[taken] as MaintainerChange)) taken++
        if (taken > 0) waiting.splice(0, taken)
        moved ||= taken > 0
      }
    }
  }

  /** @returns false when it must wait. */
  #take(key: KeyHex, next: MaintainerChange): boolean {
    if (this.#refusals.has(key)) return true // it follows a change that was refused
    const seq = this.#countOf(key) + 1
    let clock: Known['clock']
    try {
      this.#checkPlace(key, seq, next)
      const past = next.follows.map((place) => this.#known.get(placeName(place)))
      if (past.some((known) => known === undefined)) return false
      clock = this.#checkPast(key, next.change, past as Known[])
    } catch (error) {
      if (!(error instanceof FreshetError)) throw error
      this.#refusals.set(key, { key, seq, code: error.code, message: error.message })
      return true
    }
    this.#count(key, seq, next.change, clock)
    return true
  }

  /** What can be told from the change and the list of maintainers alone. */
  #checkPlace(key: KeyHex, seq: number, { change, follows }: MaintainerChange): void {
    const { lastChange } = this.#maintainers.get(key) as Maintainer
    if (lastChange !== null && seq > lastChange) {
      throw new FreshetError('CHANGE_AFTER_REMOVAL', `its author was removed after change ${lastChange}`, { key, seq })
    }
    if (change.actor !== key) throw new FreshetError('CHANGE_FORGED', 'it names another author', { key, seq })
    if (change.seq !== seq || seq > MAINTAINER_CHANGES_MAX) {
      throw new FreshetError('CHANGE_FORGED', `it is change ${change.seq} and stands at ${seq}`, { key, seq })
    }
    if (follows.length !== change.deps.length) {
      throw new FreshetError('CHANGE_FORGED', 'it does not say where what it follows stands', { key, seq })
    }
    for (const { path, value } of change.ops) requireRegister(path, value)
  }

  /** @returns what its author had seen. */
  #checkPast(key: KeyHex, change: AutomergeChange, past: readonly Known[]): Known['clock'] {
    const { seq, deps, startOp, ops } = change
    const forged = (what: string): FreshetError => new FreshetError('CHANGE_FORGED', what, { key, seq })
    if (past.some(({ hash }, i) => hash !== deps[i])) throw forged('it follows other changes than those it points at')
    // Automerge counts so; a counter that leaps ahead would win every conflict to come.
    if (startOp !== 1 + Math.max(0, ...past.map(({ lastOp }) => lastOp))) throw forged('its operations are miscounted')
    if (!this.#isWhole) return null
    const clock = joinClocks(past)
    if ((clock.get(key) ?? 0) !== seq - 1) throw forged('it does not follow what its author wrote before')
    clock.set(key, seq)
    const own = new Map<string, number>()
    for (const [i, { path, value, over }] of ops.entries()) {
      if (value === null && over.length === 0) throw forged('it deletes what is not there')
      for (const id of over) {
        const name = valueName(path, id)
        const setBy = own.get(name) ?? this.#everSet.get(name)
        // Values that its author had not seen may be here or not: what has arrived by now must not matter.
        if (setBy === undefined || setBy > (clock.get(id.actor) ?? 0)) throw forged(`${path} never had that value`)
      }
      if (value !== null) own.set(valueName(path, { actor: key, counter: startOp + i }), seq)
    }
    return clock
  }

  #count(key: KeyHex, seq: number, change: AutomergeChange, clock: Known['clock']): void {
    const { hash, deps, ops, startOp, timeMs } = change
    if (this.#registers.size + ops.length > METADATA_REGISTERS_MAX) {
      throw new FreshetError('METADATA_FULL', `the document has more than ${METADATA_REGISTERS_MAX} registers`)
    }
    for (const dep of deps) this.#tips.delete(dep)
    this.#tips.add(hash)
    this.#counted.set(key, seq)
    this.#known.set(placeName({ key, seq }), { hash, lastOp: lastOpOf(change), clock })
    for (const [i, op] of ops.entries()) {
      const id = { actor: key, counter: startOp + i }
      this.#apply(op, { ...id, seq, timeMs })
      if (op.value !== null && this.#isWhole) this.#everSet.set(valueName(op.path, id), seq)
    }
  }

  #apply({ path, value, over }: RegisterOp, by: Omit<RegisterValue, 'value'>): void {
    const before = this.#registers.get(path) ?? []
    const left = before.filter((known) => !over.some((id) => isSame(id, known)))
    const after = value === null ? left : [...left, { ...by, value }].toSorted(highestFirst)
    if (after.length === 0) this.#registers.delete(path)
    else this.#registers.set(path, after)
  }
}

function joinClocks(past: readonly Known[]): Map<KeyHex, number> {
  const joined = new Map<KeyHex, number>()
  for (const { clock } of past) {
    for (const [key, seq] of clock ?? []) joined.set(key, Math.max(seq, joined.get(key) ?? 0))
  }
  return joined
}

function lastOpOf({ startOp, ops }: AutomergeChange): number {
  return startOp + ops.length - 1
}

function highestFirst(a: OpId, b: OpId): number {
  return b.counter - a.counter || (a.actor < b.actor ? 1 : -1)
}

function isSame(a: OpId, b: OpId): boolean {
  return a.counter === b.counter && a.actor === b.actor
}

function placeName({ key, seq }: ChangePlace): string {
  return `${seq}@${key}`
}

function valueName(path: string, { counter, actor }: OpId): string {
  return `${counter}@${actor} ${path}`
}
