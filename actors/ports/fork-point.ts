/** What a fork's genesis names: a release of its upstream, as the log of that has it. */
import { FreshetError } from '../../schemas/errors.ts'
import type { Genesis } from '../../schemas/events.ts'
import type { When } from '../../schemas/when.ts'
import { readRelease } from '../../store/release-block.ts'
import type { Channel } from '../channel.ts'
import type { Session } from '../session.ts'

type Upstream = NonNullable<Genesis['upstream']>

/** @throws FreshetError NO_RELEASE, RELEASE_UNKNOWN; EQUIVOCATION, HISTORY_REWRITE when the channel was stopped; NO_PEERS. */
export async function forkPoint(session: Session, channel: Channel, when: When): Promise<Upstream> {
  session.requireRunning(channel)
  if (channel.log.length === 0) throw new FreshetError('NO_RELEASE', `nothing of ${channel.name} has arrived yet`)
  await channel.link()
  await channel.history.advance()
  const { number, block, hash } = await channel.history.resolve(when)
  const { release } = await readRelease(channel.log, block)
  return { key: channel.log.core.key, number, block, hash, treeHash: release.headBefore.treeHash }
}

export function isForkOf({ upstream }: Genesis, named: Upstream): boolean {
  return upstream !== null && upstream.key.equals(named.key) && upstream.hash.equals(named.hash)
}
