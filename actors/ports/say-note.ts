/**
 * Says something in a note of an own channel: at once where this node signs alone, else prepared for the signers as a release is.
 *
 * The same words again give the same request, so that signatures that were collected stay good.
 */
import { isDeepStrictEqual } from 'node:util'
import { decodeEvent } from '../../schemas/events.ts'
import type { SigningRequest } from '../../schemas/signing.ts'
import type { Channel } from '../channel.ts'
import { appendNote } from './append-note.ts'
import type { NoteBody } from './append-note.ts'
import { isPrepared, openRecord } from './prepare-release.ts'
import type { PrepareDeps } from './prepare-release.ts'

/**
 * @param replace whatever else is prepared.
 * @returns what the signers are to get; null: this node signs alone, and it is said.
 * @throws FreshetError RELEASE_PREPARED; as appendNote.
 */
export async function sayNote(
  deps: PrepareDeps,
  channel: Channel,
  body: NoteBody,
  replace: boolean,
): Promise<SigningRequest | null> {
  const { log, key } = channel
  if (log.quorum === null) {
    await appendNote(deps, channel, body)
    return null
  }
  const known = await openRecord(deps.prepared, channel, replace)
  if (known !== null) {
    if (!says(known.request, body)) throw isPrepared(channel)
    return known.request
  }
  const note = { ...body, atMs: deps.now(), ...(await log.newest()) }
  const record = await log.quorum.prepareNote(log.length, note, null)
  await deps.prepared.write(key, record)
  return record.request
}

function says({ blocks }: SigningRequest, body: NoteBody): boolean {
  const [only = Buffer.alloc(0), ...others] = blocks
  const event = others.length === 0 ? decodeEvent(only) : null
  return event !== null && isDeepStrictEqual(event, { ...event, ...body })
}
