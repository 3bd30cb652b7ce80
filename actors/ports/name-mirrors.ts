/** Changes the HTTP mirrors that a channel of this node names: a note in the log, signed like a release. */
import { FreshetError } from '../../schemas/errors.ts'
import { MIRRORS_MAX } from '../../schemas/limits.ts'
import { requireMirrorUrl, usableMirrors } from '../../schemas/mirror-url.ts'
import type { Channel } from '../channel.ts'
import { appendNote, hasNoteRoom, readyForNote } from './append-note.ts'
import type { NoteDeps } from './append-note.ts'

/** URLs as people write them. */
export interface MirrorChange {
  readonly add: readonly string[]
  readonly remove: readonly string[]
}

/**
 * @returns the mirrors that the channel names now. No note is written where nothing changes.
 * @throws FreshetError MIRROR_INVALID, MIRROR_UNKNOWN, MIRRORS_FULL, NO_RELEASE, CHANNEL_READ_ONLY, QUORUM_NEEDED, PUBLISH_BEHIND.
 */
export async function nameMirrors(deps: NoteDeps, channel: Channel, change: MirrorChange): Promise<readonly string[]> {
  const { history } = channel
  changedMirrors([], { ...change, remove: [] }) // what is wrong with the URLs is said first
  await readyForNote(deps, channel)
  const before = usableMirrors((await history.mirrors()) ?? [])
  const urls = changedMirrors(before, change)
  if (urls.length === before.length && urls.every((url, i) => url === before[i])) return urls
  if (!(await hasNoteRoom(channel))) {
    throw new FreshetError('MIRRORS_FULL', `${channel.name} has too many notes since its last chapter`)
  }
  await appendNote(deps, channel, { type: 'mirrors', urls })
  await channel.readMirrors()
  return urls
}

/** @throws FreshetError MIRROR_INVALID, MIRROR_UNKNOWN, MIRRORS_FULL. */
export function changedMirrors(before: readonly string[], { add, remove }: MirrorChange): string[] {
  const urls = new Set(before)
  for (const text of remove) {
    const url = requireMirrorUrl(text)
    if (!urls.delete(url)) throw new FreshetError('MIRROR_UNKNOWN', `${url} is not among the mirrors`, { url })
  }
  for (const text of add) urls.add(requireMirrorUrl(text))
  if (urls.size > MIRRORS_MAX) throw new FreshetError('MIRRORS_FULL', `${urls.size} mirrors, more than ${MIRRORS_MAX}`)
  return [...urls]
}
