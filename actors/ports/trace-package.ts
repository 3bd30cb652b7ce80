/** Where a package of a channel comes from: the path of signed logs from the channel's release to the one that brought its stanza. */
import type { DigestHex } from '../../schemas/units.ts'
import { digestHex } from '../../schemas/units.ts'
import type { When } from '../../schemas/when.ts'
import { readRelease } from '../../store/release-block.ts'
import type { ReleaseSummary } from '../../store/release-block.ts'
import type { LoggedStanza } from '../../store/package-history.ts'
import type { Channel } from '../channel.ts'

/** A release of one log, as the one before in the path names it. */
export interface TracedRelease {
  readonly channel: string
  readonly id: string
  readonly release: number
  /** Block of the release, and its SHA-256. */
  readonly block: number
  readonly hash: DigestHex
}

export interface TracedPackage {
  readonly stanza: LoggedStanza
  /** Releases that stand on each other: the channel's own first, that of the log that holds the stanza last. */
  readonly path: readonly TracedRelease[]
  /** The release of that log that brought the stanza. */
  readonly brought: TracedRelease
}

/** Each package called `name`. @throws FreshetError RELEASE_UNKNOWN, NO_RELEASE, NO_PEERS. */
export async function tracePackages(channel: Channel, when: When, name: string): Promise<TracedPackage[]> {
  const { release, stanzas } = await channel.packagesNamed(when, name)
  return Promise.all(stanzas.map((stanza) => trace(channel, release, stanza)))
}

async function trace(channel: Channel, release: ReleaseSummary, stanza: LoggedStanza): Promise<TracedPackage> {
  const origin = channel.origin(stanza.block)
  const path = [traced(channel, release)]
  let at = channel
  for (let stands = release; at !== origin.channel && at.upstream !== null; at = at.upstream) {
    const named = (await readRelease(at.log, stands.block)).release.upstream
    stands = (await at.upstream.history.planOf(named ?? stands)).release
    path.push(traced(at.upstream, stands))
  }
  const brought = traced(at, await at.history.broughtBy(origin.block))
  return { stanza, path, brought }
}

function traced({ name, log }: Channel, { number, block, hash }: ReleaseSummary): TracedRelease {
  return { channel: name, id: log.id, release: number, block, hash: digestHex(hash) }
}
