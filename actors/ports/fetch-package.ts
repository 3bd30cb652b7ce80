/** Fetches the .deb of one package of a release, named as people name it: NAME[=VERSION][:ARCHITECTURE]. */
import { compareVersions } from '../../schemas/debian-version.ts'
import { FreshetError } from '../../schemas/errors.ts'
import type { DigestHex } from '../../schemas/units.ts'
import { parseWhen } from '../../schemas/when.ts'
import { withdrawnName } from '../../schemas/withdrawal.ts'
import type { Withdrawal } from '../../schemas/withdrawal.ts'
import type { LoggedStanza } from '../../store/package-history.ts'
import type { Channel, NamedPackages } from '../channel.ts'
import type { Session } from '../session.ts'
import { wantFile } from './want-file.ts'

export interface PackageWish {
  readonly channel: string
  readonly when: string | null
  readonly name: string
  /** Null: the newest version; any architecture, when there is only one. */
  readonly version: string | null
  readonly architecture: string | null
}

export interface FetchedPackage {
  readonly name: string
  readonly version: string
  readonly architecture: string
  readonly digest: DigestHex
  readonly byteLength: number
  /** As in the index: its last segment is what apt would call the file. */
  readonly filename: string
  /** Where the file lies in the pool, or where it was adopted. */
  readonly path: string
}

/** @throws FreshetError PACKAGE_UNKNOWN, PACKAGE_AMBIGUOUS, ARTIFACT_UNAVAILABLE, ... */
export async function fetchPackage(session: Session, wish: PackageWish, signal: AbortSignal): Promise<FetchedPackage> {
  const channel = session.channel(wish.channel)
  const { release, stanza } = await findPackage(channel, wish)
  const { name, version, architecture, digest, byteLength, filename } = stanza
  const piecesRoot = await channel.rootOf(release, stanza)
  const fetched = wantFile(session, channel, { digest, byteLength, piecesRoot }, stanza)
  await untilAborted(fetched, signal)
  const path = session.pool.pathOf(digest)
  if (path === null) throw new FreshetError('POOL_CORRUPT', `artifact ${digest} left the pool`, { digest })
  return { name, version, architecture, digest, byteLength, filename, path }
}

/** The stanza that a wish means, and the release that it was looked for in. @throws FreshetError PACKAGE_UNKNOWN, PACKAGE_AMBIGUOUS, PACKAGE_WITHDRAWN. */
export async function findPackage(
  channel: Channel,
  wish: Omit<PackageWish, 'channel'>,
): Promise<{ readonly release: NamedPackages['release']; readonly stanza: LoggedStanza }> {
  const { release, stanzas } = await channel.packagesNamed(parseWhen(wish.when), wish.name)
  // Who asks for a release gets what it holds.
  const offered = wish.when === null ? notWithdrawn(channel, stanzas, wish) : stanzas
  return { release, stanza: choose(offered, wish) }
}

/** @throws FreshetError PACKAGE_WITHDRAWN when nothing else is left of what was asked for. */
function notWithdrawn(
  { withdrawn }: Channel,
  found: readonly LoggedStanza[],
  { version }: Pick<PackageWish, 'version'>,
): readonly LoggedStanza[] {
  const left = found.filter((stanza) => !withdrawn.has(withdrawnName(stanza)))
  const lost = found.find((stanza) => !left.includes(stanza) && (version === null || stanza.version === version))
  if (lost === undefined || left.some((stanza) => version === null || stanza.version === version)) return left
  const { reason } = withdrawn.get(withdrawnName(lost)) as Withdrawal
  throw new FreshetError('PACKAGE_WITHDRAWN', `${withdrawnName(lost)} was withdrawn: ${reason}`)
}

function choose(
  found: readonly LoggedStanza[],
  { name, version, architecture }: Omit<PackageWish, 'channel'>,
): LoggedStanza {
  const fitting = found.filter(
    (stanza) =>
      (version === null || stanza.version === version) &&
      (architecture === null || stanza.architecture === architecture),
  )
  const newest = fitting.reduce<LoggedStanza | null>(
    (best, stanza) => (best === null || compareVersions(stanza.version, best.version) > 0 ? stanza : best),
    null,
  )
  if (newest === null) {
    const known = found.map((stanza) => `${stanza.version} (${stanza.architecture})`).join(', ')
    const what = `${name}${version === null ? '' : `=${version}`}${architecture === null ? '' : `:${architecture}`}`
    throw new FreshetError(
      'PACKAGE_UNKNOWN',
      `no ${what} in this snapshot${known === '' ? '' : `, which has ${known}`}`,
    )
  }
  const architectures = new Set(fitting.filter((s) => s.version === newest.version).map((s) => s.architecture))
  if (architectures.size > 1) {
    throw new FreshetError('PACKAGE_AMBIGUOUS', `${name} ${newest.version} exists for ${[...architectures].join(', ')}`)
  }
  return newest
}

/** The fetch goes on for others, and after a restart; only this wait ends. */
export async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  await new Promise<void>((resolve, reject) => {
    const onAbort = (): void => reject(new FreshetError('INTERRUPTED', 'the fetch goes on when the daemon runs'))
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
