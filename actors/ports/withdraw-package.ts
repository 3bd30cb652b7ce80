/** Takes a version of a package of an own channel back: a note in the log, signed like a release. Releases stay what they are. */
import { isVersion } from '../../schemas/debian-version.ts'
import { FreshetError } from '../../schemas/errors.ts'
import { WITHDRAWN_MAX } from '../../schemas/limits.ts'
import { requireReason } from '../../schemas/reason.ts'
import type { SigningRequest } from '../../schemas/signing.ts'
import { withdrawnName } from '../../schemas/withdrawal.ts'
import { versionRanges } from '../../store/package-history.ts'
import type { Channel } from '../channel.ts'
import { hasNoteRoom, readyForNote } from './append-note.ts'
import type { PrepareDeps } from './prepare-release.ts'
import { sayNote } from './say-note.ts'

export interface WithdrawOrder {
  readonly name: string
  readonly version: string
  readonly reason: string
}

export interface WithdrawnPackage {
  /** Whether the newest release still holds it. */
  readonly inNewest: boolean
  /** What the signers are to get; null: this node signs alone, and it is said. */
  readonly request: SigningRequest | null
}

/**
 * @param replace whatever else is prepared for signers.
 * @throws FreshetError USAGE, PACKAGE_UNKNOWN when no release ever held it, WITHDRAWN_ALREADY, WITHDRAWN_FULL; NO_RELEASE,
 *   CHANNEL_READ_ONLY, PUBLISH_BEHIND, RELEASE_PREPARED.
 */
export async function withdrawPackage(
  deps: PrepareDeps,
  channel: Channel,
  order: WithdrawOrder,
  replace: boolean,
): Promise<WithdrawnPackage> {
  const { name, version, reason } = order
  const what = withdrawnName(order)
  if (!isVersion(version)) throw new FreshetError('USAGE', `${JSON.stringify(version)} is not a version`)
  requireReason(reason)
  await readyForNote(deps, channel)
  const known = await channel.history.withdrawn()
  if (known.has(what)) throw new FreshetError('WITHDRAWN_ALREADY', `${what} was withdrawn already`)
  if (known.size >= WITHDRAWN_MAX || !(await hasNoteRoom(channel))) {
    throw new FreshetError('WITHDRAWN_FULL', `${channel.name} has withdrawn ${known.size} versions`)
  }
  const { index, number } = await channel.index()
  const held = (await versionRanges(index, name, number)).filter((found) => found.version === version)
  if (held.length === 0) throw new FreshetError('PACKAGE_UNKNOWN', `no release of ${channel.name} ever held ${what}`)
  const request = await sayNote(deps, channel, { type: 'withdraw', name, version, reason }, replace)
  await channel.readWithdrawn()
  return { inNewest: held.some(({ ranges }) => ranges.at(-1)?.last === number), request }
}
