/** Says who writes the metadata document of an own channel: a note in the log, signed like a release. */
import { FreshetError } from '../../schemas/errors.ts'
import { MAINTAINERS_MAX } from '../../schemas/limits.ts'
import type { Maintainer } from '../../schemas/metadata-fold.ts'
import { keyHex } from '../../schemas/units.ts'
import type { KeyHex } from '../../schemas/units.ts'
import { id, keyId } from '../../store/identity.ts'
import type { Channel } from '../channel.ts'
import { appendNote, hasNoteRoom, readyForNote } from './append-note.ts'
import type { NoteDeps } from './append-note.ts'

/**
 * @returns all maintainers of the channel.
 * @throws FreshetError MAINTAINER_INVALID, MAINTAINER_EXISTS, MAINTAINERS_FULL, NO_PEERS when the maintainer's log cannot be
 *   reached; NO_RELEASE, CHANNEL_READ_ONLY, QUORUM_NEEDED, PUBLISH_BEHIND.
 */
export async function addMaintainer(deps: NoteDeps, channel: Channel, key: KeyHex): Promise<readonly Maintainer[]> {
  await readyForNote(deps, channel)
  const { maintainers, inherited } = await channel.metadata.fixed(null)
  const everybody = [...maintainers, ...inherited]
  if (everybody.some((known) => known.key === key)) {
    throw new FreshetError('MAINTAINER_EXISTS', `${keyId(key)} is, or was, a maintainer, here or upstream`)
  }
  if (everybody.length >= MAINTAINERS_MAX) {
    throw new FreshetError(
      'MAINTAINERS_FULL',
      `${channel.name} had ${everybody.length} maintainers, upstream's among them`,
    )
  }
  if (key === channel.key || key === keyHex((await channel.log.indexCore()).key)) {
    throw new FreshetError('MAINTAINER_INVALID', 'this is a key of the channel itself')
  }
  // Its heading is signed by the key: it shows that whoever has it means this channel.
  const heading = await (await channel.metadata.logOf(key)).heading()
  if (keyHex(heading.channel) !== channel.key) {
    const message = `this maintainer asked to write to another channel, ${id(heading.channel)}`
    throw new FreshetError('MAINTAINER_INVALID', message)
  }
  return say(deps, channel, [...maintainers, { key, name: heading.name, lastChange: null }])
}

/**
 * Changes after the last one that counts do not count any more; who was removed can be given more or fewer, but never fewer than
 * the log has fixed.
 * @param lastChange null: all that this node has taken up by now.
 */
export async function removeMaintainer(
  deps: NoteDeps,
  channel: Channel,
  key: KeyHex,
  lastChange: number | null,
): Promise<readonly Maintainer[]> {
  await readyForNote(deps, channel)
  const maintainers = await channel.metadata.maintainers()
  const removed = maintainers.find((known) => known.key === key)
  if (removed === undefined) {
    throw new FreshetError('MAINTAINER_UNKNOWN', `${keyId(key)} is no maintainer of ${channel.name}`)
  }
  const { note } = await channel.metadata.fixed(null)
  const fixed = note?.counts.find((count) => keyHex(count.key) === key)?.changes ?? 0
  const last = lastChange ?? (await channel.metadata.whole('listed')).fold.countOf(key)
  if (last < fixed) {
    throw new FreshetError('MAINTAINER_INVALID', `${fixed} changes of ${removed.name} are fixed already`, { fixed })
  }
  return say(
    deps,
    channel,
    maintainers.map((known) => (known.key === key ? { ...known, lastChange: last } : known)),
  )
}

async function say(
  deps: NoteDeps,
  channel: Channel,
  maintainers: readonly Maintainer[],
): Promise<readonly Maintainer[]> {
  if (!(await hasNoteRoom(channel))) {
    throw new FreshetError('MAINTAINERS_FULL', `${channel.name} has too many notes since its last chapter`)
  }
  const listed = maintainers.map((maintainer) => ({ ...maintainer, key: Buffer.from(maintainer.key, 'hex') }))
  await appendNote(deps, channel, { type: 'maintainers', maintainers: listed })
  await channel.metadata.follow()
  return maintainers
}
