/**
 * Appends a note to the log of a channel that this node signs alone, under the rules of publishing
 * (actors/ports/publish-release.ts): nothing is appended to a log that is behind, and the head is remembered durably.
 *
 * The caller sees to it that nobody else appends meanwhile.
 */
import { NOTES_MAX, TAGS_MAX } from '../../schemas/limits.ts'
import type { Note } from '../../store/notes.ts'
import type { Channel } from '../channel.ts'
import { requireCaughtUp } from './compose-draft.ts'
import type { PublishDeps } from './compose-draft.ts'

export type NoteDeps = Pick<PublishDeps, 'heads' | 'catchUp' | 'now'>

/** What a note says of its own. */
export type NoteBody = Note extends infer Each
  ? Each extends Note
    ? Omit<Each, 'atMs' | 'releaseBlock' | 'noteBlock'>
    : never
  : never

/** The log as it stands, with a release to which a note can be added. @throws FreshetError NO_RELEASE, CHANNEL_READ_ONLY, PUBLISH_BEHIND. */
export async function readyForNote(deps: NoteDeps, channel: Channel): Promise<void> {
  await requireCaughtUp(deps, channel)
  await channel.history.advance()
  await channel.history.resolve({ kind: 'newest' }) // the first release begins the chain of notes
}

/** Whether there is room for one more note before the next chapter: tags must find it, whatever else was said. */
export async function hasNoteRoom({ history }: Channel): Promise<boolean> {
  return (await history.noteCount()) < NOTES_MAX - TAGS_MAX
}

/** @param before blocks that stand before the note and belong to it. @throws FreshetError QUORUM_NEEDED, and as `append`. */
export async function appendNote(
  { heads, now }: NoteDeps,
  { key, log }: Channel,
  body: NoteBody,
  before: readonly Buffer[] = [],
): Promise<void> {
  const base = log.length
  const head = await log.appendNote(base, { ...body, atMs: now(), ...(await log.newest()) }, before)
  await heads.advance(key, { ...head, atMs: now() })
}
