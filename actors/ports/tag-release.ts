/**
 * Gives a release of a channel that this node owns a name, for ever: a note in the log, signed like a release.
 *
 * Obeys the rules of publishing (actors/ports/publish-release.ts): nothing is appended to a log that is behind, and the head is
 * remembered durably. The caller sees to it that nobody else appends meanwhile.
 */
import { FreshetError } from '../../schemas/errors.ts'
import { TAGS_MAX } from '../../schemas/limits.ts'
import { isTag } from '../../schemas/when.ts'
import type { When } from '../../schemas/when.ts'
import type { Channel } from '../channel.ts'
import { requireCaughtUp } from './compose-draft.ts'
import type { PublishDeps } from './compose-draft.ts'

export type TagDeps = Pick<PublishDeps, 'heads' | 'catchUp' | 'now'>

/**
 * @returns the number of the release that has the name now.
 * @throws FreshetError TAG_INVALID, TAG_EXISTS, TAGS_FULL, RELEASE_UNKNOWN, NO_RELEASE, CHANNEL_READ_ONLY,
 *   PUBLISH_BEHIND.
 */
export async function tagRelease(deps: TagDeps, channel: Channel, when: When, name: string): Promise<number> {
  const { log, history } = channel
  if (!isTag(name))
    throw new FreshetError('TAG_INVALID', `${JSON.stringify(name)} cannot name a release`, { tag: name })
  await requireCaughtUp(deps, channel)
  await history.advance()
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
  const base = log.length
  const head = await log.appendNote(base, { type: 'tag', atMs: deps.now(), ...(await log.newest()), name, number })
  await deps.heads.advance(channel.key, { ...head, atMs: deps.now() })
  return number
}
