/**
 * HTTP mirrors as sources of fetches: when they are asked beside peers, which of them, and what is remembered of each.
 *
 * Peers come first, as long as they are quicker (protocols/mirror-race.ts). Then the best few mirrors join the fetch; one that
 * fails is replaced by the next. What they give counts as traffic, and is capped, as what peers give.
 */
import type { FreshetError } from '../../schemas/errors.ts'
import { MIRRORS_PER_TRANSFER } from '../../schemas/limits.ts'
import type { DigestHex } from '../../schemas/units.ts'
import type { FetchTally } from '../../protocols/fetch-tally.ts'
import { MirrorClient } from '../../protocols/mirror-client.ts'
import { MirrorLine } from '../../protocols/mirror-line.ts'
import { type FetchLook, MirrorRace } from '../../protocols/mirror-race.ts'
import { MirrorScores } from '../../protocols/mirror-scores.ts'
import type { SharedBundle } from '../../protocols/shared-bundle.ts'
import type { Sharing } from './sharing.ts'

export interface MirrorSourcesDeps {
  /** Unix milliseconds. */
  readonly now: () => number
  readonly log: (level: 'info' | 'warn', message: string) => void
  readonly sharing: Pick<Sharing, 'count'>
}

/** Where mirrors have an artifact. */
export interface MirroredFile {
  /** Filename of the stanza; null: not known. */
  readonly path: string | null
  /** Base URLs, normalised. */
  readonly mirrors: readonly string[]
}

export class MirrorSources {
  readonly scores = new MirrorScores()
  readonly race = new MirrorRace()
  readonly deps: MirrorSourcesDeps
  readonly client: MirrorClient

  constructor(deps: MirrorSourcesDeps) {
    this.deps = deps
    this.client = new MirrorClient({ scores: this.scores, now: deps.now })
  }

  /** For one fetch. @param newLine a number that no other line has. */
  begin(digest: DigestHex, file: MirroredFile, tally: FetchTally, newLine: () => number): MirrorTurn {
    return new MirrorTurn(this, digest, file, tally, newLine)
  }
}

/** The mirrors of one fetch. */
export class MirrorTurn {
  readonly #sources: MirrorSources
  readonly #digest: DigestHex
  readonly #file: MirroredFile
  readonly #tally: FetchTally
  readonly #newLine: () => number
  readonly #joined = new Map<string, MirrorLine>()
  readonly #failed = new Set<string>()
  #place: { readonly bundle: SharedBundle; readonly file: number } | null = null
  #ended = false

  constructor(sources: MirrorSources, digest: DigestHex, file: MirroredFile, tally: FetchTally, newLine: () => number) {
    this.#sources = sources
    this.#digest = digest
    this.#file = file
    this.#tally = tally
    this.#newLine = newLine
  }

  /** What is to be brought: file number `file` of `bundle`. */
  use(bundle: SharedBundle, file: number): void {
    this.#place = { bundle, file }
    this.#sources.race.begins(bundle.now())
  }

  useful(byteLength: number, nowMs: number): void {
    this.#sources.race.useful(byteLength, nowMs)
  }

  /** @param nowMs of a clock that never goes back. */
  look(look: FetchLook, nowMs: number): void {
    const { scores, race } = this.#sources
    const [best] = this.#usable()
    if (best === undefined) return
    if (this.#joined.size === 0 && !race.isDue(look, scores.of(best), nowMs)) return
    this.#ask()
  }

  end(): void {
    this.#ended = true
    if (this.#place !== null) this.#sources.race.ends(this.#place.bundle.now())
    for (const line of this.#joined.values()) line.leave()
    this.#joined.clear()
  }

  /** Those that may be asked and are not, the quickest first. */
  #usable(): string[] {
    const { path, mirrors } = this.#file
    if (path === null || this.#place === null || this.#ended) return []
    const { scores, deps } = this.#sources
    const usable = scores.usable(mirrors, this.#digest, deps.now())
    return usable.filter((base) => !this.#joined.has(base) && !this.#failed.has(base))
  }

  #ask(): void {
    const { path } = this.#file
    for (const base of this.#usable()) {
      if (path === null || this.#place === null || this.#joined.size >= MIRRORS_PER_TRANSFER) return
      this.#join(base, path, this.#place)
    }
  }

  #join(base: string, path: string, { bundle, file }: { bundle: SharedBundle; file: number }): void {
    const { client, deps } = this.#sources
    const line = new MirrorLine(bundle, file, {
      id: this.#newLine(),
      client,
      base,
      path,
      onCame: (byteLength) => deps.sharing.count(hostOf(base), 0, byteLength, 'mirror'),
      onFailed: (error) => {
        this.#tally.failed(line.source, error.code)
        this.#left(base, error)
      },
    })
    this.#joined.set(base, line)
    line.join()
  }

  #left(base: string, error: FreshetError): void {
    const { scores, deps } = this.#sources
    if (error.code === 'PIECE_MISMATCH') scores.wrong(base, this.#digest, deps.now())
    deps.log(
      'warn',
      `mirror ${base} is not asked for ${this.#digest.slice(0, 8)} again: ${error.code}: ${error.message}`,
    )
    this.#joined.delete(base)
    this.#failed.add(base)
    this.#ask()
  }
}

/** A mirror that is named by an address is on the local network, or not; one that is named by its name is taken to be far. */
function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, '')
}
