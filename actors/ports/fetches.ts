/**
 * The artifacts that this node is fetching: one actor each, a bound on how many transfer at once.
 *
 * Whoever wants an artifact gets one promise for it, however many ask. A wish is a fact: after a restart it is taken up again.
 */
import { createActor } from 'xstate'
import type { Actor } from 'xstate'
import type { Artifact } from '../../schemas/artifact.ts'
import { asFreshetError, FreshetError } from '../../schemas/errors.ts'
import type { Fact, FactOf } from '../../schemas/journal.ts'
import { FETCHES_ACTIVE_MAX, FETCHES_WAITING_MAX, PIECE_BYTES } from '../../schemas/limits.ts'
import type { DigestHex, KeyHex } from '../../schemas/units.ts'
import type { PartialArtifact, Pool } from '../../store/pool.ts'
import { fetchArtifact } from '../fetch-artifact.ts'
import type { FetchContext } from '../fetch-artifact.ts'
import { livePort } from '../port.ts'
import { FetchTally } from '../../protocols/fetch-tally.ts'
import { Slots } from '../../protocols/slots.ts'

export interface FetchesDeps {
  readonly pool: Pool
  readonly record: (fact: Fact) => Promise<void>
  readonly now: () => number
  /** @throws FreshetError FETCH_OFF when nothing may be fetched at the moment. */
  readonly requireFetching: () => void
  /** Brings every piece into `sink` and completes it, from whichever peers and mirrors there are. */
  readonly transfer: (
    sink: PartialArtifact,
    wanted: FactOf<'artifact.wanted'>,
    tally: FetchTally,
    signal: AbortSignal,
  ) => Promise<void>
  readonly onDefect: (error: unknown) => void
}

/** Where a channel names a file. */
export interface NamedFile {
  readonly filename: string
  /** Position of the block that holds its stanza. */
  readonly block: number
}

/** A fetch that goes on. */
export interface RunningFetch {
  readonly wanted: FactOf<'artifact.wanted'>
  readonly tally: FetchTally
}

interface Fetch extends RunningFetch {
  readonly actor: Actor<typeof fetchArtifact>
  readonly done: Promise<void>
}

export class Fetches {
  readonly #deps: FetchesDeps
  readonly #fetches = new Map<DigestHex, Fetch>()
  readonly #slots = new Slots(FETCHES_ACTIVE_MAX)

  constructor(deps: FetchesDeps) {
    this.#deps = deps
  }

  get count(): number {
    return this.#fetches.size
  }

  /** In the order in which they were asked for. */
  get running(): Iterable<RunningFetch> {
    return this.#fetches.values()
  }

  of(digest: DigestHex): RunningFetch | null {
    return this.#fetches.get(digest) ?? null
  }

  /**
   * Resolves when the artifact is in the pool.
   * @param named where it is named: its Filename, by which mirrors of the channel know it, and the block of its stanza, by which peers do.
   * @throws FreshetError ARTIFACT_UNAVAILABLE, FETCH_OFF, DISK_FULL, IO_ERROR; STORE_FAILED when too many are waiting.
   */
  async want(key: KeyHex, artifact: Artifact, named: NamedFile): Promise<void> {
    const { digest, byteLength, piecesRoot } = artifact
    if (this.#deps.pool.held(digest) !== null) return
    const running = this.#fetches.get(digest)
    if (running !== undefined) return running.done
    this.#deps.requireFetching()
    if (this.#fetches.size >= FETCHES_WAITING_MAX) {
      throw new FreshetError('STORE_FAILED', `${this.#fetches.size} artifacts are being fetched already`)
    }
    const atMs = this.#deps.now()
    const { filename: path, block } = named
    const wanted = { type: 'artifact.wanted', key, digest, byteLength, piecesRoot, atMs, path, block } as const
    const fetch = this.#start(wanted)
    await this.#deps.record(wanted)
    return fetch.done
  }

  /** After a restart. */
  resume(wanted: FactOf<'artifact.wanted'>): void {
    if (this.#deps.pool.held(wanted.digest) !== null || this.#fetches.has(wanted.digest)) return
    this.#start(wanted)
  }

  close(): void {
    for (const { actor } of this.#fetches.values()) actor.stop()
    this.#fetches.clear()
  }

  #start(wanted: FactOf<'artifact.wanted'>): Fetch {
    const tally = new FetchTally(this.#deps.now)
    const port = livePort(
      (context: FetchContext, signal) => this.#transfer(context, tally, signal),
      this.#deps.onDefect,
    )
    const actor = createActor(fetchArtifact.provide({ actors: { transfer: port } }), { input: { wanted } })
    const done = new Promise<void>((resolve, reject) => {
      actor.subscribe({
        next: ({ value, context }) => {
          if (value === 'kept') resolve()
          if (value === 'unavailable') reject(unavailable(context))
        },
        error: reject,
        // Stopped before its end: the session is closing, and the next one takes the wish up again.
        complete: () =>
          reject(new FreshetError('INTERRUPTED', `the fetch of ${wanted.digest} goes on after a restart`)),
      })
    }).finally(() => this.#fetches.delete(wanted.digest))
    done.catch(() => {}) // not everybody waits: after a restart nobody does, and a wish may fail to be recorded
    const fetch = { wanted, tally, actor, done }
    this.#fetches.set(wanted.digest, fetch)
    actor.start()
    return fetch
  }

  async #transfer({ wanted }: FetchContext, tally: FetchTally, signal: AbortSignal): Promise<void> {
    const { digest, byteLength } = wanted
    const release = await this.#slots.take(signal)
    try {
      const sink = await this.#deps.pool.begin(wanted)
      tally.begin(Math.min(sink.heldPieces * PIECE_BYTES, byteLength))
      try {
        await this.#deps.transfer(sink, wanted, tally, signal)
      } finally {
        await sink.close()
      }
      await this.#settle({ type: 'artifact.kept', digest, byteLength, atMs: this.#deps.now(), report: tally.report() })
    } catch (error) {
      if (signal.aborted) return
      const { code } = asFreshetError(error)
      await this.#settle({ type: 'artifact.unavailable', digest, code, atMs: this.#deps.now(), report: tally.report() })
    } finally {
      release()
    }
  }

  /** Recorded first, then told to the actor: what a person hears of is in the journal. */
  async #settle(fact: FactOf<'artifact.kept' | 'artifact.unavailable'>): Promise<void> {
    const fetch = this.#fetches.get(fact.digest)
    await this.#deps.record(fact)
    fetch?.actor.send(fact)
  }
}

/** Reasons that lie here and not with peers. */
const OWN_CODES = ['DISK_FULL', 'IO_ERROR', 'FETCH_OFF'] as const

function unavailable({ wanted, code }: FetchContext): FreshetError {
  const known = OWN_CODES.find((own) => own === code) ?? 'ARTIFACT_UNAVAILABLE'
  return new FreshetError(known, `artifact ${wanted.digest} could not be fetched (${code})`, { digest: wanted.digest })
}
