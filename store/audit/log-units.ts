/**
 * The blocks of a log as what was appended together: a release with the blocks before it, or one note.
 *
 * Only the order in which an honest publisher writes is accepted: copies of stanzas and their gathering; checkpoints, roots and
 * chapter; new stanzas; in a fork what it changes; the signed index; the release. A state of the metadata stands right before its note. A block that stands
 * elsewhere is a fault, and is left out of the unit.
 */
import { decodeEvent } from '../../schemas/events.ts'
import type { Chapter, ChannelEvent } from '../../schemas/events.ts'
import { isNote } from '../notes.ts'
import type { Note } from '../notes.ts'
import type { ReleaseLog } from '../release-log.ts'
import type { Findings } from './findings.ts'

export interface ReleaseUnit {
  readonly kind: 'release'
  /** Length of the log before it. */
  readonly base: number
  /** Position of the gathering; `stanzas` blocks from `base` to there are copies. 0: there is none. */
  readonly gatheringBlock: number
  readonly checkpointBlocks: readonly number[]
  /** 0: there is none. */
  readonly rootsBlock: number
  readonly chapter: { readonly block: number; readonly chapter: Chapter } | null
  /** 0: there is none. */
  readonly curationBlock: number
  readonly signedIndexBlock: number
  /** Of the release itself, the last of the unit. */
  readonly block: number
}

export interface NoteUnit {
  readonly kind: 'note'
  readonly block: number
  readonly note: Note
  /** Position of the `metadataState` right before it; 0: there is none. */
  readonly stateBlock: number
}

export type LogUnit = ReleaseUnit | NoteUnit

const ORDER = ['gathering', 'checkpoint', 'roots', 'chapter', 'stanzas', 'curation', 'signedIndex', 'release']
/** There is at most one of each. */
const SINGLE = new Set(['gathering', 'roots', 'chapter', 'curation', 'signedIndex', 'release'])

type Draft = { -readonly [Name in keyof Omit<ReleaseUnit, 'checkpointBlocks'>]: ReleaseUnit[Name] } & {
  checkpointBlocks: number[]
  /** Type of the newest block in it. */
  last: string | null
}

/**
 * Ends early, with a fault, at a block that cannot be decoded: nothing after it is known to be a unit.
 * @param from blocks before it were read before, or are taken for granted.
 * @param until length of the log, or the first block that is known to be damaged.
 */
export async function* logUnits(
  log: ReleaseLog,
  from: number,
  until: number,
  findings: Findings,
): AsyncGenerator<LogUnit> {
  let draft = emptyDraft(from)
  let stateBlock = 0
  for (let block = from; block < until; block++) {
    let event: ChannelEvent | null
    try {
      event = decodeEvent(await log.block(block))
    } catch (error) {
      return findings.refused('EVENT_INVALID', { block }, error)
    }
    if (event === null) {
      findings.fault('EVENT_UNKNOWN', `block ${block} holds an event that a newer version wrote`, { block })
      if (draft.last === null) draft = emptyDraft(block + 1)
      continue
    }
    if (stateBlock > 0 && event.type !== 'metadata') {
      const message = `block ${stateBlock} is a state of the metadata, and no metadata follows`
      findings.fault('ORDER_WRONG', message, { block: stateBlock })
      stateBlock = 0
      if (draft.last === null) draft = emptyDraft(block)
    }
    if (event.type === 'metadataState' && draft.last === null) {
      stateBlock = block
      continue
    }
    if (isNote(event) && draft.last === null) {
      yield { kind: 'note', block, note: event, stateBlock }
      draft = emptyDraft(block + 1)
      stateBlock = 0
      continue
    }
    if (!fits(draft, event.type)) {
      const after = draft.last === null ? 'at the beginning of a release' : `after ${draft.last}`
      findings.fault('ORDER_WRONG', `block ${block} is a ${event.type}, which does not belong ${after}`, { block })
      if (event.type !== 'release') continue
    }
    take(draft, event, block)
    if (event.type !== 'release') continue
    yield unitOf(draft)
    draft = emptyDraft(block + 1)
  }
  if (draft.last !== null && until === log.length) {
    const message = `the ${until - draft.base} last blocks belong to no release`
    findings.fault('ORDER_WRONG', message, { block: draft.base })
  }
}

function emptyDraft(base: number): Draft {
  return {
    kind: 'release',
    base,
    gatheringBlock: 0,
    checkpointBlocks: [],
    rootsBlock: 0,
    chapter: null,
    curationBlock: 0,
    signedIndexBlock: 0,
    block: 0,
    last: null,
  }
}

function fits({ last, chapter, gatheringBlock }: Draft, type: string): boolean {
  // Stanzas before anything else are copies if a gathering says so.
  if (type === 'gathering') return last === 'stanzas' && chapter === null && gatheringBlock === 0
  const rank = ORDER.indexOf(type)
  const before = last === null ? -1 : ORDER.indexOf(last)
  if (rank < 0 || rank < before || (rank === before && SINGLE.has(type))) return false
  if (type === 'release') return last === 'signedIndex'
  // Gatherings, checkpoints and roots belong to a chapter.
  const chapterRank = ORDER.indexOf('chapter')
  return !(rank > chapterRank && before >= 0 && before < chapterRank)
}

function take(draft: Draft, event: ChannelEvent, block: number): void {
  draft.last = event.type
  draft.block = block
  if (event.type === 'gathering') draft.gatheringBlock = block
  else if (event.type === 'checkpoint') draft.checkpointBlocks.push(block)
  else if (event.type === 'roots') draft.rootsBlock = block
  else if (event.type === 'chapter') draft.chapter = { block, chapter: event }
  else if (event.type === 'curation') draft.curationBlock = block
  else if (event.type === 'signedIndex') draft.signedIndexBlock = block
}

function unitOf({ last: _, ...unit }: Draft): ReleaseUnit {
  return unit
}
