/**
 * The metadata document of one channel on this node: the logs of its maintainers, what they come to, and this node's own changes.
 *
 * Who only reads needs the state that the release log has and the changes after it, which arrive by push. Who writes has all
 * changes, and an Automerge document of them while the node runs. In a fork that goes for the changes of its upstream's maintainers
 * too, as far as the fork has taken them; their logs are those of the upstream on this node.
 */
import { FreshetError } from '../schemas/errors.ts'
import { MAINTAINER_CHANGES_MAX } from '../schemas/limits.ts'
import type { ChangePlace, Maintainer, MetadataFold } from '../schemas/metadata-fold.ts'
import { keyHex } from '../schemas/units.ts'
import type { KeyHex } from '../schemas/units.ts'
import { documentBlocks, foldChanges, foldFixed, inheritedFrom, learnPast } from '../store/fixed-metadata.ts'
import { readFixed, readMaintainers, readMetadata, readState } from '../store/fixed-metadata.ts'
import type { FixedDocument } from '../store/fixed-metadata.ts'
import type { History } from '../store/history.ts'
import { MaintainerLog } from '../store/maintainer-log.ts'
import { MetadataDraft } from '../store/metadata-draft.ts'
import type { RegisterEdit } from '../store/metadata-document.ts'
import type { Store } from '../store/open-store.ts'
import type { ReadOptions, ReleaseLog } from '../store/release-log.ts'

/** What is known of the document, and who may write it. */
export interface MetadataView {
  readonly maintainers: readonly Maintainer[]
  /** In a fork: those of its upstreams, without their names; so many of their changes are in it. */
  readonly inherited: readonly Maintainer[]
  readonly fold: MetadataFold
}

/** The whole history, as far as it is here, for the list of maintainers it was made with. */
interface OpenDraft {
  readonly list: string
  readonly draft: MetadataDraft
}

export class ChannelMetadata {
  readonly #store: Store
  readonly #log: ReleaseLog
  readonly #history: History
  readonly #logs = new Map<KeyHex, Promise<MaintainerLog>>()
  #own: MaintainerLog | null = null
  #onLog: (log: MaintainerLog) => void = () => {}
  #draft: OpenDraft | null = null
  /** One change of this node after the other: each follows the one before. */
  #edited: Promise<unknown> = Promise.resolve()
  /** Maintainers of upstreams, whose logs are found there. */
  readonly #inherited = new Set<KeyHex>()
  /** Of a fork: the document that it began with; set once its genesis was read. */
  upstream: ChannelMetadata | null = null

  constructor(store: Store, log: ReleaseLog, history: History) {
    this.#store = store
    this.#log = log
    this.#history = history
  }

  /** After a note was read, or written here: opens the logs of those it names, and has their new changes fetched. */
  async follow(options: ReadOptions = {}): Promise<void> {
    const { note, maintainers, inherited } = await this.fixed(null, options)
    const own = await this.#openOwn()
    if (maintainers.length + inherited.length === 0) return
    const { heads } = await readState(this.#log, note?.stateBlock ?? 0, options)
    const isEditor = own !== null || (this.#log.writable && maintainers.length > 0)
    const knownOf = (key: KeyHex): number => (isEditor ? -1 : (heads.find((head) => head.key === key)?.seq ?? 0))
    for (const { key, lastChange } of maintainers) {
      const log = await this.logOf(key)
      log.fetch(knownOf(key) + 1, lastChange ?? MAINTAINER_CHANGES_MAX)
    }
    for (const { key, lastChange } of inherited) (await this.logOf(key)).bring(knownOf(key) + 1, lastChange ?? 0)
  }

  async maintainers(options: ReadOptions = {}): Promise<Maintainer[]> {
    const { maintainersBlock } = await this.#history.metadataBlocks(null, options)
    return readMaintainers(this.#log, maintainersBlock, options)
  }

  /** What is fixed for release `number`, or by now (null). */
  async fixed(number: number | null, options: ReadOptions = {}): Promise<FixedDocument> {
    const blocks = await documentBlocks(this.#log, this.#history, number, options)
    const fixed = await readFixed(this.#log, blocks, options)
    for (const { key } of fixed.inherited) this.#inherited.add(key)
    return fixed
  }

  /** The document as release `number` has it; null: as of now, with every change that is here and counts. */
  async view(number: number | null): Promise<MetadataView> {
    const fixed = await this.fixed(number)
    const { maintainers, inherited } = fixed
    const logOf = (key: KeyHex): Promise<MaintainerLog> => this.logOf(key)
    const fold = await foldFixed(this.#log, fixed, logOf, {})
    if (number !== null) return { maintainers, inherited, fold }
    for (const maintainer of maintainers) {
      const log = await this.logOf(maintainer.key)
      await foldChanges(fold, log, await lastHere(log, fold.countOf(log.key) + 1, maintainer), { local: true })
    }
    await learnPast(fold, logOf, {})
    return { maintainers, inherited, fold }
  }

  /** The log that this node writes to; null: it has none. */
  async own(): Promise<MaintainerLog | null> {
    return this.#openOwn()
  }

  /** Makes the log that this node writes to, with its heading; safe to repeat. */
  async begin(name: string, atMs: number): Promise<MaintainerLog> {
    this.#own ??= await MaintainerLog.openOwn(this.#store, this.#log.key)
    await this.#own.begin(this.#log.key, name, atMs)
    void this.#keep(this.#own.key, Promise.resolve(this.#own))
    return this.#own
  }

  /**
   * Writes one change of this node's maintainer, durable when it resolves.
   * @returns null when nothing would change.
   * @throws FreshetError MAINTAINER_UNKNOWN, MAINTAINER_REMOVED, METADATA_INVALID, METADATA_FULL, NO_PEERS.
   */
  edit(edits: readonly RegisterEdit[], message: string | null, atMs: number): Promise<ChangePlace | null> {
    const editing = this.#edited.then(() => this.#edit(edits, message, atMs))
    this.#edited = editing.catch(() => {}) // whoever asked for it has the error; the next one only waits
    return editing
  }

  async #edit(edits: readonly RegisterEdit[], message: string | null, atMs: number): Promise<ChangePlace | null> {
    const own = await this.#openOwn()
    if (own === null) throw new FreshetError('MAINTAINER_UNKNOWN', 'this node is no maintainer of the channel')
    const known = (await this.maintainers()).find(({ key }) => key === own.key)
    if (known !== undefined && known.lastChange !== null) {
      throw new FreshetError('MAINTAINER_REMOVED', `this maintainer was removed after change ${known.lastChange}`)
    }
    const draft = await this.whole('with own drafts')
    try {
      const made = draft.edit(edits, message, atMs)
      if (made === null) return null
      await own.append(made.change.seq, made.bytes, made.follows)
      return { key: own.key, seq: made.change.seq }
    } catch (error) {
      this.#draft = null // it may have a change that the log has not
      throw error
    }
  }

  /**
   * The whole history, with every change that is here. What the newest note counts must be here, or come.
   * @param of changes of the maintainers that the channel names; or those of this node too, when it was not added yet.
   * @param upstreamBlock of a fork: the `metadata` of an upstream whose changes are to be in it, too; null: what it has by now.
   * @throws FreshetError NO_PEERS.
   */
  async whole(of: 'listed' | 'with own drafts', upstreamBlock: number | null = null): Promise<MetadataDraft> {
    const own = await this.#openOwn()
    const { note, maintainers, inherited } = await this.#fixedWith(upstreamBlock)
    const listed = [...maintainers, ...inherited]
    if (of !== 'listed' && own !== null && !listed.some(({ key }) => key === own.key)) {
      listed.push({ key: own.key, name: '', lastChange: null })
    }
    const draft = await this.#draftOf(listed, own?.key ?? this.#log.key)
    const due = new Map(note?.counts.map(({ key, changes }) => [keyHex(key), changes]))
    for (const { key, lastChange } of inherited) due.set(key, lastChange ?? 0)
    for (const maintainer of listed) {
      const log = await this.logOf(maintainer.key)
      for (let seq = draft.heardOf(log.key) + 1; seq <= (due.get(log.key) ?? 0); seq++) {
        draft.hear(log.key, await log.change(seq))
      }
      const last = await lastHere(log, draft.heardOf(log.key) + 1, maintainer)
      for (let seq = draft.heardOf(log.key) + 1; seq <= last; seq++) {
        draft.hear(log.key, await log.change(seq, { local: true }))
      }
    }
    return draft
  }

  async #fixedWith(upstreamBlock: number | null): Promise<FixedDocument> {
    const fixed = await this.fixed(null)
    if (upstreamBlock === null) return fixed
    const inherited = inheritedFrom(await readMetadata(this.#log, upstreamBlock, {}))
    for (const { key } of inherited) this.#inherited.add(key)
    return { ...fixed, inherited }
  }

  logOf(key: KeyHex): Promise<MaintainerLog> {
    if (this.upstream !== null && this.#inherited.has(key)) return this.upstream.logOf(key)
    return this.#logs.get(key) ?? this.#keep(key, MaintainerLog.follow(this.#store, key))
  }

  /** Tells of every log that is open, and of those to come. */
  onLog(listener: (log: MaintainerLog) => void): void {
    this.#onLog = listener
    for (const opened of this.#logs.values()) void opened.then(listener, () => {}) // whoever opened it has the error
  }

  #keep(key: KeyHex, opening: Promise<MaintainerLog>): Promise<MaintainerLog> {
    this.#logs.set(key, opening)
    // The caller sees the error; the next one tries again.
    opening.then(this.#onLog, () => this.#logs.delete(key))
    return opening
  }

  async close(): Promise<void> {
    await this.#edited
    for (const opened of await Promise.allSettled(this.#logs.values())) {
      if (opened.status === 'fulfilled') await opened.value.close()
    }
  }

  async #draftOf(maintainers: readonly Maintainer[], author: KeyHex): Promise<MetadataDraft> {
    const list = JSON.stringify([author, maintainers])
    if (this.#draft?.list === list) return this.#draft.draft
    const draft = await MetadataDraft.create(author, maintainers)
    this.#draft = { list, draft }
    return draft
  }

  async #openOwn(): Promise<MaintainerLog | null> {
    if (this.#own !== null) return this.#own
    const own = await MaintainerLog.reopenOwn(this.#store, this.#log.key)
    if (own === null) return null
    this.#own = own
    void this.#keep(own.key, Promise.resolve(own))
    return own
  }
}

/** The last change that is here and may count, without a gap from `first` on. */
async function lastHere(log: MaintainerLog, first: number, { lastChange }: Maintainer): Promise<number> {
  const last = Math.min(log.changeCount, lastChange ?? Number.MAX_SAFE_INTEGER)
  return first - 1 + (await log.countHere(first, last))
}
