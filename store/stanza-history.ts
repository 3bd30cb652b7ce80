/**
 * Every stanza that a range of releases held, each once, and in which of them: what a search over history reads.
 *
 * The releases are walked one after the other, and only what came and went is looked at; the text of each stanza is read once,
 * whatever the number of releases that held it.
 */
import { FreshetError } from '../schemas/errors.ts'
import type { Run } from '../schemas/edit-script.ts'
import { HISTORY_STANZAS_MAX, STANZAS_PER_BLOCK_MAX } from '../schemas/limits.ts'
import { differenceOfRuns } from '../schemas/run-list.ts'
import type { ReleaseRange } from '../schemas/release-ranges.ts'
import { isBlankSlice } from '../schemas/stanza.ts'
import { eachOf } from './each-of.ts'
import type { History } from './history.ts'
import type { ReleaseLog } from './release-log.ts'
import { readStanzas } from './stanza-block.ts'

export interface StanzaHistory {
  /** The stanzas, end to end, as an index file has them. */
  readonly text: Buffer
  /** Of each stanza, in that order: the releases that held it. */
  readonly spans: readonly (readonly ReleaseRange[])[]
}

export interface HistoryReading {
  /** Which index files count, by their paths. */
  readonly isWanted: (path: string) => boolean
  readonly signal: AbortSignal
  readonly onProgress: (done: number, total: number) => void
}

interface Dated {
  readonly block: number
  readonly ordinal: number
  readonly spans: { readonly first: number; last: number }[]
}

/** Blocks that are unpacked at once. */
const BLOCKS_AT_ONCE = 8
const GAP = Buffer.from('\n\n')

/** @throws FreshetError SOLVER_GAVE_UP beyond HISTORY_STANZAS_MAX; NO_PEERS, EVENT_INVALID. */
export async function readStanzaHistory(
  log: ReleaseLog,
  history: History,
  range: ReleaseRange,
  reading: HistoryReading,
): Promise<StanzaHistory> {
  const dated = await walk(history, range, reading)
  const texts = await readTexts(log, [...dated.values()], reading)
  const kept = texts.filter(({ text }) => text.byteLength > 0)
  return {
    text: Buffer.concat(kept.flatMap(({ text }) => [text, GAP])),
    spans: kept.map(({ spans }) => spans),
  }
}

/** By block and ordinal. A stanza that left and came back has two spans. */
async function walk(history: History, { first, last }: ReleaseRange, { isWanted, signal }: HistoryReading) {
  const dated = new Map<number, Dated>()
  let before: readonly Run[] = []
  for (let number = first; number <= last; number++) {
    if (signal.aborted) throw new FreshetError('INTERRUPTED', 'the search was interrupted')
    const { indexes } = await history.plan(number)
    const runs = indexes.filter(({ path }) => isWanted(path)).flatMap((index) => [...index.runs])
    const { added, removed } = differenceOfRuns(before, runs)
    for (const [key] of placesOf(removed)) {
      const span = dated.get(key)?.spans.at(-1)
      if (span !== undefined) span.last = number - 1
    }
    for (const [key, place] of placesOf(added)) {
      const known = dated.get(key) ?? { ...place, spans: [] }
      known.spans.push({ first: number, last })
      dated.set(key, known)
    }
    if (dated.size > HISTORY_STANZAS_MAX) {
      throw new FreshetError(
        'SOLVER_GAVE_UP',
        `releases #${first} to #${number} have more than ${HISTORY_STANZAS_MAX} stanzas`,
      )
    }
    before = runs
  }
  return dated
}

function* placesOf(runs: readonly Run[]): Iterable<[number, { block: number; ordinal: number }]> {
  for (const { block, first, count } of runs) {
    for (let ordinal = first; ordinal < first + count; ordinal++) {
      yield [block * STANZAS_PER_BLOCK_MAX + ordinal, { block, ordinal }]
    }
  }
}

/** In the order of `dated`; each block is unpacked once. */
async function readTexts(
  log: ReleaseLog,
  dated: readonly Dated[],
  { signal, onProgress }: HistoryReading,
): Promise<{ text: Buffer; spans: Dated['spans'] }[]> {
  const byBlock = new Map<number, number[]>()
  for (const [i, { block }] of dated.entries()) byBlock.set(block, [...(byBlock.get(block) ?? []), i])
  const texts: { text: Buffer; spans: Dated['spans'] }[] = dated.map(({ spans }) => ({ text: Buffer.alloc(0), spans }))
  await log.download([...byBlock.keys()])
  let done = 0
  await eachOf([...byBlock], BLOCKS_AT_ONCE, signal, async ([block, members]) => {
    const { text, offsets } = await readStanzas(log, block)
    for (const i of members) {
      const { ordinal } = dated[i] as Dated
      const slice = text.subarray(offsets[ordinal], offsets[ordinal + 1])
      if (!isBlankSlice(slice)) (texts[i] as { text: Buffer }).text = trimmed(slice)
    }
    onProgress(++done, byBlock.size)
  })
  return texts
}

/** Without the blank lines around it: how many there are depends on where it stood. */
function trimmed(slice: Buffer): Buffer {
  let [start, end] = [0, slice.length]
  while (slice[start] === GAP[0]) start++
  while (end > start && slice[end - 1] === GAP[0]) end--
  return slice.subarray(start, end)
}
