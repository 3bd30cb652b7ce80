/**
 * Notes of a log: what its publisher said between releases. They are a chain, newest first, that ends where a chapter
 * took over: so a reader who wants to know all tags, or the mirrors, reads one chapter and the few notes after it.
 */
import type { Chapter, ChannelEvent } from '../schemas/events.ts'
import { FreshetError } from '../schemas/errors.ts'
import { NOTES_MAX, TAGS_MAX } from '../schemas/limits.ts'
import { afterNote, isPartial } from '../schemas/rollout.ts'
import type { Rollouts, RolloutState } from '../schemas/rollout.ts'
import { isTag } from '../schemas/when.ts'
import { withdrawnName } from '../schemas/withdrawal.ts'
import type { Withdrawal, Withdrawals } from '../schemas/withdrawal.ts'
import { linkError } from './release-block.ts'
import type { ReadOptions, ReleaseLog } from './release-log.ts'

type NoteType = 'tag' | 'heartbeat' | 'rotate' | 'mirrors' | 'withdraw' | 'rollout' | 'maintainers' | 'metadata'
export type Note = Extract<ChannelEvent, { type: NoteType }>

const NOTES: ReadonlySet<string> = new Set<NoteType>([
  'tag',
  'heartbeat',
  'rotate',
  'mirrors',
  'withdraw',
  'rollout',
  'maintainers',
  'metadata',
])

export function isNote(event: ChannelEvent | null): event is Note {
  return event !== null && NOTES.has(event.type)
}

/**
 * @param noteBlock the newest note; 0: none.
 * @param chapter the newest chapter before it.
 * @param releaseBlock the newest release that was read: what was said after a later one is not known yet.
 * @returns every tag: name → number of its release.
 * @throws FreshetError EVENT_INVALID when a tag is given twice, or names a release that did not exist when it was given.
 */
export async function readTags(
  log: ReleaseLog,
  noteBlock: number,
  chapter: Chapter | null,
  releaseBlock: number,
  releasesBefore: (block: number) => Promise<number>,
  options: ReadOptions,
): Promise<ReadonlyMap<string, number>> {
  const tags = new Map<string, number>()
  for (const { name, number } of chapter?.tags ?? []) add(tags, name, number, noteBlock)
  const notes: PlacedNote[] = []
  for await (const placed of chain(log, noteBlock, chapter, options)) notes.push(placed)
  for (const { block, note } of notes.reverse()) {
    if (note.type !== 'tag' || note.releaseBlock > releaseBlock) continue
    if (note.number < 1 || note.number > (await releasesBefore(block))) {
      throw linkError(block, `the tag ${note.name} names release ${note.number}, which did not exist`)
    }
    add(tags, note.name, note.number, block)
  }
  return tags
}

/** What the newest note about mirrors says, as it stands in the log; null: there never was one. */
export async function readMirrors(
  log: ReleaseLog,
  noteBlock: number,
  chapter: Chapter | null,
  options: ReadOptions,
): Promise<readonly string[] | null> {
  for await (const { note } of chain(log, noteBlock, chapter, options)) if (note.type === 'mirrors') return note.urls
  return chapter === null || chapter.mirrors.length === 0 ? null : chapter.mirrors
}

/** Every version that was withdrawn, in order; of one that is named twice the first counts. */
export async function readWithdrawn(
  log: ReleaseLog,
  noteBlock: number,
  chapter: Chapter | null,
  options: ReadOptions,
): Promise<Withdrawals> {
  const fresh: Withdrawal[] = []
  for await (const { note } of chain(log, noteBlock, chapter, options)) {
    if (note.type !== 'withdraw') continue
    const { name, version, reason, atMs } = note
    fresh.push({ name, version, reason, atMs })
  }
  const withdrawn = new Map<string, Withdrawal>()
  for (const withdrawal of [...(chapter?.withdrawn ?? []), ...fresh.reverse()]) {
    const name = withdrawnName(withdrawal)
    if (!withdrawn.has(name)) withdrawn.set(name, withdrawal)
  }
  return withdrawn
}

/** Releases that are not offered to everybody. A note about a release that did not exist when it was written says nothing. */
export async function readRollouts(
  log: ReleaseLog,
  noteBlock: number,
  chapter: Chapter | null,
  releasesBefore: (block: number) => Promise<number>,
  options: ReadOptions,
): Promise<Rollouts> {
  const notes: PlacedNote[] = []
  for await (const placed of chain(log, noteBlock, chapter, options)) notes.push(placed)
  const rollouts = new Map<number, RolloutState>()
  for (const state of chapter?.rollouts ?? []) rollouts.set(state.number, state)
  for (const { block, note } of notes.reverse()) {
    if (note.type !== 'rollout' || note.number < 1 || note.number > (await releasesBefore(block))) continue
    rollouts.set(note.number, afterNote(rollouts.get(note.number), note))
  }
  return new Map([...rollouts].filter(([, state]) => isPartial(state)).sort(([a], [b]) => a - b))
}

/** Positions of the newest notes that say who writes the metadata document, and what is in it; 0: there is none. */
export interface MetadataBlocks {
  readonly maintainersBlock: number
  readonly metadataBlock: number
}

export async function findMetadata(
  log: ReleaseLog,
  noteBlock: number,
  chapter: Chapter | null,
  options: ReadOptions,
): Promise<MetadataBlocks> {
  let { maintainersBlock, metadataBlock } = { maintainersBlock: 0, metadataBlock: 0 }
  for await (const { block, note } of chain(log, noteBlock, chapter, options)) {
    if (note.type === 'maintainers' && maintainersBlock === 0) maintainersBlock = block
    if (note.type === 'metadata' && metadataBlock === 0) metadataBlock = block
    if (maintainersBlock > 0 && metadataBlock > 0) break
  }
  return {
    maintainersBlock: maintainersBlock || (chapter?.maintainersBlock ?? 0),
    metadataBlock: metadataBlock || (chapter?.metadataBlock ?? 0),
  }
}

/** Notes that no chapter covers yet. */
export async function countNotes(log: ReleaseLog, noteBlock: number, chapter: Chapter | null): Promise<number> {
  let count = 0
  for await (const _ of chain(log, noteBlock, chapter, {})) count++
  return count
}

interface PlacedNote {
  readonly block: number
  readonly note: Note
}

/** From the note at `newest` back to the one that `chapter` covers, newest first. */
async function* chain(
  log: ReleaseLog,
  newest: number,
  chapter: Chapter | null,
  options: ReadOptions,
): AsyncGenerator<PlacedNote> {
  const until = chapter?.noteBlock ?? 0
  let count = 0
  for (let block = newest; block > until;) {
    const note = await log.event(block, options)
    if (!isNote(note)) throw linkError(block, 'it is named as a note and is none')
    if (note.noteBlock >= block || count++ >= NOTES_MAX) throw linkError(block, 'the chain of notes does not end')
    yield { block, note }
    block = note.noteBlock
  }
}

function add(tags: Map<string, number>, name: string, number: number, block: number): void {
  if (!isTag(name)) throw linkError(block, `${JSON.stringify(name)} is not the name of a tag`)
  if (tags.has(name)) throw linkError(block, `the tag ${name} is given twice`)
  if (tags.size >= TAGS_MAX) throw new FreshetError('EVENT_INVALID', `the channel has more than ${TAGS_MAX} tags`)
  tags.set(name, number)
}
