/** A release of a log as forks of that log name it. */
import type { UpstreamRelease } from '../schemas/events.ts'
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import { untilReaches } from './chain-blocks.ts'
import { readRelease } from './release-block.ts'
import type { ReadOptions, ReleaseLog } from './release-log.ts'

/** @throws FreshetError UPSTREAM_MISMATCH unless it is the one that `log` has there; NO_PEERS while the log is not as long. */
export async function requireRelease(
  log: ReleaseLog,
  { number, block, hash }: UpstreamRelease,
  options: ReadOptions,
): Promise<void> {
  await untilReaches(log, block, options)
  const read = await readRelease(log, block, options).catch((error: unknown) => {
    if (asFreshetError(error).code === 'EVENT_INVALID') return null
    throw error
  })
  if (read?.summary.number === number && read.summary.hash.equals(hash)) return
  const message = `${log.id} does not have the release ${number} at block ${block} that a fork of it stands on`
  throw new FreshetError('UPSTREAM_MISMATCH', message, { number, block })
}
