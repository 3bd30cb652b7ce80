/**
 * What is counted of one fetch while it goes on: bytes by source, who was asked and refused, when what happened.
 *
 * A block costs two additions. Sources are bounded: more than that of one kind are counted together.
 */
import { type FetchReport, SOURCE_KINDS, type SourceKind, type SourceReport } from '../schemas/fetch-report.ts'
import { FETCH_SOURCES_COUNTED_MAX, FETCH_SOURCES_MAX } from '../schemas/limits.ts'

/** Whom something comes from, as people are told. */
export interface Source {
  readonly kind: SourceKind
  /** The beginning of a peer's key, or the URL of a mirror. */
  readonly name: string
}

type Counted = { -readonly [Field in keyof SourceReport]: SourceReport[Field] }

export class FetchTally {
  readonly #now: () => number
  readonly #startedAtMs: number
  /** By the object that stands for a source: a block must not cost a search by name. */
  readonly #sources = new Map<Source, Counted>()
  #heldBytes = 0
  #cameBytes = 0
  #begunAtMs: number | null = null
  #namedAtMs: number | null = null
  #firstAtMs: number | null = null
  #lastAtMs: number | null = null

  /** @param now Unix milliseconds. */
  constructor(now: () => number) {
    this.#now = now
    this.#startedAtMs = now()
  }

  /** It is its turn. @param heldBytes what an earlier try has left. */
  begin(heldBytes: number): void {
    this.#begunAtMs ??= this.#now()
    this.#heldBytes = heldBytes
  }

  /** The log says what it is part of: from now on it is asked for. */
  named(): void {
    this.#namedAtMs ??= this.#now()
  }

  came(source: Source, byteLength: number): void {
    const nowMs = this.#now()
    this.#firstAtMs ??= nowMs
    this.#lastAtMs = nowMs
    this.#cameBytes += byteLength
    this.#of(source).bytes += byteLength
  }

  asked(source: Source): void {
    this.#of(source).asked++
  }

  refused(source: Source): void {
    this.#of(source).refused++
  }

  declined(source: Source): void {
    this.#of(source).declined++
  }

  /** It is asked no more, if it ever was. */
  failed(source: Source, code: string): void {
    const counted = this.#sources.get(source)
    if (counted !== undefined) counted.code = code
  }

  get isBegun(): boolean {
    return this.#begunAtMs !== null
  }

  /** What is here of it, or came and is being checked; wrong and doubled bytes included. */
  get bytes(): number {
    return this.#heldBytes + this.#cameBytes
  }

  /** As if it ended now. */
  report(): FetchReport {
    const endMs = this.#now()
    const moments = [this.#startedAtMs, this.#begunAtMs, this.#namedAtMs, this.#firstAtMs, this.#lastAtMs, endMs]
    const spans: number[] = []
    let before = this.#startedAtMs
    for (const moment of moments.slice(1)) {
      // What did not happen was waited for until the end; a clock that was put back makes nothing negative.
      const after = Math.max(before, moment ?? endMs)
      spans.push(Math.round(after - before))
      before = after
    }
    const [queuedMs = 0, logMs = 0, sourceMs = 0, bytesMs = 0, lastMs = 0] = spans
    const sources = mergedSources([...this.#sources.values()])
    return { heldBytes: this.#heldBytes, queuedMs, logMs, sourceMs, bytesMs, endMs: lastMs, sources }
  }

  #of(source: Source): Counted {
    const known = this.#sources.get(source)
    if (known !== undefined) return known
    const others = OTHERS[source.kind]
    if (source !== others && this.#sources.size >= FETCH_SOURCES_COUNTED_MAX) return this.#of(others)
    const counted = { ...source, bytes: 0, asked: 0, refused: 0, declined: 0, code: null }
    this.#sources.set(source, counted)
    return counted
  }
}

const OTHERS: Readonly<Record<SourceKind, Source>> = {
  lan: { kind: 'lan', name: '' },
  peer: { kind: 'peer', name: '' },
  mirror: { kind: 'mirror', name: '' },
}

/** Those of one name together: of several fetches, or of a peer that came twice. */
export function mergedSources(sources: readonly SourceReport[]): SourceReport[] {
  const groups = new Map<string, SourceReport[]>()
  for (const source of sources) groups.set(nameOf(source), [...(groups.get(nameOf(source)) ?? []), source])
  return shortened([...groups.values()].map(together))
}

/** Those that gave most, and the rest by kind: no byte is lost. */
function shortened(sources: readonly SourceReport[]): SourceReport[] {
  const sorted = sources.toSorted((a, b) => b.bytes - a.bytes || b.asked - a.asked)
  const named = sorted.filter(({ name }) => name !== '')
  const shown = named.slice(0, FETCH_SOURCES_MAX - SOURCE_KINDS.length)
  const rest = sorted.filter((source) => !shown.includes(source))
  const others = SOURCE_KINDS.map((kind) => rest.filter((source) => source.kind === kind))
  return [...shown, ...others.filter(({ length }) => length > 0).map(summed)].map((source) => ({ ...source }))
}

function summed(sources: readonly SourceReport[]): SourceReport {
  return { ...together(sources), name: '', code: null }
}

/** Under the name of the first, with the newest code. */
function together(sources: readonly SourceReport[]): SourceReport {
  const [first] = sources as [SourceReport]
  const sum = (field: 'bytes' | 'asked' | 'refused' | 'declined'): number =>
    sources.reduce((total, source) => total + source[field], 0)
  const [bytes, asked, refused, declined] = [sum('bytes'), sum('asked'), sum('refused'), sum('declined')]
  const code = sources.findLast((source) => source.code !== null)?.code ?? null
  return { kind: first.kind, name: first.name, bytes, asked, refused, declined, code }
}

function nameOf({ kind, name }: Source): string {
  return `${kind} ${name}`
}
