/**
 * Reads what notes of a log say, for somebody who can do without: a release does not wait for them.
 *
 * A note that did not arrive, or does not hold, fails whoever asks for what it says, and nobody else. What else goes wrong (the disk,
 * the end of the session) is trouble of the caller.
 */
import { asFreshetError } from '../schemas/errors.ts'
import type { ErrorCode } from '../schemas/errors.ts'

const FAULTS_OF_NOTES: ReadonlySet<ErrorCode> = new Set([
  'NO_PEERS',
  'EVENT_INVALID',
  'VERSION_UNSUPPORTED',
  'METADATA_MISMATCH',
  'METADATA_FULL',
])

export async function unlessNoteFails(reading: Promise<unknown>): Promise<void> {
  try {
    await reading
  } catch (error) {
    if (!FAULTS_OF_NOTES.has(asFreshetError(error).code)) throw error
  }
}
