/** Gives a release of a channel that this node owns a name, for ever: a note in the log, signed like a release. */
import { FreshetError } from '../../schemas/errors.ts'
import { TAGS_MAX } from '../../schemas/limits.ts'
import { isTag } from '../../schemas/when.ts'
import type { When } from '../../schemas/when.ts'
import type { Channel } from '../channel.ts'
import { appendNote, readyForNote } from './append-note.ts'
import type { NoteDeps } from './append-note.ts'

/**
 * @returns the number of the release that has the name now.
 * @throws FreshetError TAG_INVALID, TAG_EXISTS, TAGS_FULL, RELEASE_UNKNOWN, NO_RELEASE, CHANNEL_READ_ONLY,
 *   PUBLISH_BEHIND.
 */
export async function tagRelease(deps: NoteDeps, channel: Channel, when: When, name: string): Promise<number> {
  const { history } = channel
  if (!isTag(name))
    throw new FreshetError('TAG_INVALID', `${JSON.stringify(name)} cannot name a release`, { tag: name })
  await readyForNote(deps, channel)
  const { number } = await history.resolve(when)
  const tags = await history.tags()
  const tagged = tags.get(name)
  if (tagged !== undefined) {
    throw new FreshetError('TAG_EXISTS', `${name} is release #${tagged} of ${channel.name}`, {
      tag: name,
      release: tagged,
    })
  }
  if (tags.size >= TAGS_MAX) throw new FreshetError('TAGS_FULL', `${channel.name} has ${tags.size} tags`)
  await appendNote(deps, channel, { type: 'tag', name, number })
  return number
}
