/**
 * Says of releases which of their packages cannot be installed, and what became of that since the release before.
 *
 * Holds one checked release, the last one asked about, and goes from it to the next by what came and went, so that the next
 * release costs its changes. Forgets it when nobody has asked for a while. One question at a time.
 */
import { CHECK_IDLE_MS, CHECK_INLINE_BYTES_MAX } from '../../schemas/check-limits.ts'
import { levelOf } from '../../schemas/chain-position.ts'
import { stanzaCount } from '../../schemas/edit-script.ts'
import type { Run } from '../../schemas/edit-script.ts'
import { FreshetError } from '../../schemas/errors.ts'
import { architecturesOfIndexes } from '../../schemas/index-path.ts'
import { differenceOfRuns } from '../../schemas/run-list.ts'
import type { RunDifference } from '../../schemas/run-list.ts'
import type { KeyHex } from '../../schemas/units.ts'
import type { PlannedIndex } from '../../store/release-block.ts'
import type { StanzaText } from '../../store/stanza-texts.ts'
import type { BrokenPackage } from '../solver/broken-packages.ts'
import type { ArchitectureCheck, CheckQuestion, IndexChange } from '../solver/checked-snapshot.ts'
import { CheckService } from './check-service.ts'
import type { CheckAnswer, CheckRequest, LoadedIndex } from './check-service.ts'
import { CheckThread } from './check-thread.ts'

/** A release of a channel, or what is about to become one. */
export interface CheckedRelease {
  readonly key: KeyHex
  readonly indexes: readonly PlannedIndex[]
  /** Length of the log that it is to be appended to; null: it is in the log. What stands there and beyond may become another release. */
  readonly base: number | null
  /** Hands over the index files, which are there until `use` is done. */
  readonly whole: (use: (indexes: readonly LoadedIndex[]) => Promise<unknown>) => Promise<unknown>
  readonly texts: (runs: readonly Run[]) => Promise<readonly StanzaText[]>
  /** Where somebody knows already what came and went since these index files. */
  readonly since: { readonly indexes: readonly PlannedIndex[]; readonly changes: RunChanges } | null
}

/** By path of the index file. */
export type RunChanges = ReadonlyMap<string, RunDifference>

type Broken = Readonly<Record<string, readonly BrokenPackage[]>>

interface Held {
  readonly service: CheckService | CheckThread
  readonly key: KeyHex
  readonly indexes: readonly PlannedIndex[]
  readonly base: number | null
}

/** Releases whose broken packages are remembered: the newest two of a channel, and those of its upstream. */
const REMEMBERED_MAX = 4

export class PackageChecker {
  #held: Held | null = null
  /** Digests of index files → what cannot be installed, least recently asked for first. */
  readonly #known = new Map<string, Broken>()
  #asking: Promise<unknown> = Promise.resolve()
  #idle: NodeJS.Timeout | null = null
  #closed = false

  /**
   * @param before the release that it is compared with; null: none.
   * @throws as CheckedSnapshot; FreshetError INTERRUPTED; what `whole` and `texts` throw.
   */
  check(
    before: CheckedRelease | null,
    release: CheckedRelease,
    explain: CheckQuestion['explain'],
  ): Promise<readonly ArchitectureCheck[]> {
    const checking = this.#asking.then(() => this.#check(before, release, explain))
    this.#asking = checking.catch(() => {}) // whoever asked has the error; the next one only waits
    return checking
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#forget()
    await this.#asking
    if (this.#idle !== null) clearTimeout(this.#idle)
  }

  async #check(
    before: CheckedRelease | null,
    release: CheckedRelease,
    explain: CheckQuestion['explain'],
  ): Promise<readonly ArchitectureCheck[]> {
    if (this.#idle !== null) clearTimeout(this.#idle)
    try {
      const broken = before === null ? null : await this.#brokenOf(before)
      return await this.#answer(release, { before: broken, explain })
    } catch (error) {
      await this.#forget() // nobody knows what it came to
      throw error
    } finally {
      this.#idle = setTimeout(() => void this.#forget(), CHECK_IDLE_MS).unref()
    }
  }

  async #brokenOf(release: CheckedRelease): Promise<Broken> {
    this.#confirm(release)
    const name = contentOf(release)
    const known = this.#known.get(name)
    if (known === undefined) await this.#answer(release, { before: null, explain: 'none' })
    return this.#known.get(name) as Broken
  }

  async #answer(release: CheckedRelease, question: CheckQuestion): Promise<readonly ArchitectureCheck[]> {
    await this.#goTo(release)
    const answer = (await this.#ask({ kind: 'answer', question })) as readonly ArchitectureCheck[]
    const name = contentOf(release)
    this.#known.delete(name)
    this.#known.set(
      name,
      Object.fromEntries(answer.map(({ architecture, broken }) => [architecture, broken.map(named)])),
    )
    for (const oldest of this.#known.keys()) if (this.#known.size > REMEMBERED_MAX) this.#known.delete(oldest)
    return answer
  }

  /** A release that was held before it was in the log, and is there now. */
  #confirm({ key, indexes, base }: CheckedRelease): void {
    const held = this.#held
    if (held !== null && base === null && held.key === key && isSame(held.indexes, indexes))
      this.#held = { ...held, base }
  }

  async #goTo(release: CheckedRelease): Promise<void> {
    this.#confirm(release)
    const { key, indexes, base } = release
    const held = this.#held
    if (held !== null && held.key === key && isSame(held.indexes, indexes)) return
    if (held !== null && (await this.#advance(held, release))) this.#held = { ...held, indexes, base }
    else await this.#load(release)
  }

  /** @returns false where it is to be loaded anew. */
  async #advance(held: Held, release: CheckedRelease): Promise<boolean> {
    const architectures = [held, release].map(({ indexes }) => architecturesOfIndexes(indexes.map(({ path }) => path)))
    if (held.key !== release.key || String(architectures[0]) !== String(architectures[1])) return false
    if (held.service instanceof CheckService && bytesOf(release) > 2 * CHECK_INLINE_BYTES_MAX) return false // it has grown
    const isKnown = held.base === null && release.since !== null && isSame(held.indexes, release.since.indexes)
    const differences = isKnown ? (release.since?.changes ?? new Map()) : changesBetween(held, release.indexes)
    const fresh = [...differences.values()].reduce((sum, { added }) => sum + stanzaCount(added), 0)
    const total = release.indexes.reduce((sum, { runs }) => sum + stanzaCount(runs), 0)
    if (2 * fresh > total) return false
    const changes: IndexChange[] = []
    for (const [path, { added, removed }] of differences) {
      changes.push({ path, removed, added: await release.texts(added) })
    }
    return (await this.#ask({ kind: 'advance', changes })) as boolean
  }

  async #load(release: CheckedRelease): Promise<void> {
    await this.#forget()
    if (this.#closed) throw new FreshetError('INTERRUPTED', 'the check was interrupted')
    const { key, indexes, base } = release
    const service = bytesOf(release) <= CHECK_INLINE_BYTES_MAX ? new CheckService() : new CheckThread()
    this.#held = { service, key, indexes, base }
    await release.whole((loaded) => this.#ask({ kind: 'load', indexes: loaded }))
  }

  #ask(request: CheckRequest): Promise<CheckAnswer> {
    const held = this.#held
    if (held === null) throw new FreshetError('INTERRUPTED', 'the check was interrupted')
    return held.service.answer(request)
  }

  async #forget(): Promise<void> {
    const service = this.#held?.service
    this.#held = null
    if (service instanceof CheckThread) await service.close()
  }
}

function bytesOf({ indexes }: CheckedRelease): number {
  return indexes.reduce((sum, { byteLength }) => sum + byteLength, 0)
}

/** Without the reason, which nobody asks for again. */
function named({ name, version, architecture, whole }: BrokenPackage): BrokenPackage {
  return { name, version, architecture, whole }
}

function contentOf({ key, indexes }: CheckedRelease): string {
  return [key, ...indexes.map(({ path, digest }) => `${path} ${digest}`)].join('\n')
}

/** Whether these are the same stanzas of the same blocks. */
function isSame(some: readonly PlannedIndex[], others: readonly PlannedIndex[]): boolean {
  return some.length === others.length && some.every((index, i) => isSameIndex(index, others[i] as PlannedIndex))
}

function isSameIndex(one: PlannedIndex, other: PlannedIndex): boolean {
  if (one.path !== other.path || one.digest !== other.digest || one.runs.length !== other.runs.length) return false
  if (one.runs === other.runs) return true
  return one.runs.every(({ block, first, count }, i) => {
    const run = other.runs[i] as Run
    return run.block === block && run.first === first && run.count === count
  })
}

/** Of what was about to be appended and is not held to be there, nothing stays. */
function changesBetween({ indexes, base }: Held, after: readonly PlannedIndex[]): RunChanges {
  const changes = new Map<string, RunDifference>()
  const runsOf = (list: readonly PlannedIndex[], path: string): readonly Run[] =>
    list.find((index) => index.path === path)?.runs ?? []
  for (const path of new Set([...indexes, ...after].map((index) => index.path))) {
    const isDraft = ({ block }: Run): boolean => base !== null && levelOf(block) === 0 && block >= base
    const runs = runsOf(indexes, path)
    const { added, removed } = differenceOfRuns(
      runs.filter((run) => !isDraft(run)),
      runsOf(after, path),
    )
    changes.set(path, { added, removed: [...removed, ...runs.filter(isDraft)] })
  }
  return changes
}
