/** Makes a fork: its genesis names a release of its upstream, as the log of that has it. */
import { FreshetError } from '../../schemas/errors.ts'
import type { Genesis } from '../../schemas/events.ts'
import { requireChannelName } from '../../schemas/channel-name.ts'
import type { When } from '../../schemas/when.ts'
import { readRelease } from '../../store/release-block.ts'
import { keepSigningKey } from '../../store/signing-keys.ts'
import type { Channel } from '../channel.ts'
import type { ChannelKeys } from '../node.ts'
import type { Session } from '../session.ts'
import { forEverybody } from './plan-fork.ts'

type Upstream = NonNullable<Genesis['upstream']>

/** Which release of which channel to leave, for a fork of which name. */
export interface NewFork {
  readonly upstream: string
  readonly when: When
  readonly name: string
}

/**
 * Still without a release of its own. One that a failed attempt left is taken up again.
 * @param keys folder of private keys.
 * @throws FreshetError CHANNEL_EXISTS, NO_RELEASE, RELEASE_UNKNOWN; EQUIVOCATION, HISTORY_REWRITE when the upstream was stopped; NO_PEERS.
 */
export async function createFork(
  session: Session,
  keys: string,
  { upstream, when, name }: NewFork,
  makeKeys: () => Promise<ChannelKeys>,
): Promise<void> {
  requireChannelName(name)
  const channel = session.channel(upstream)
  const named = await forkPoint(session, channel, when)
  if (channel.role === 'upstream') await session.follow(channel.key, channel.name) // its releases are to be heard of
  const left = session.channels.find((known) => known.name === name && known.log.length === 1)
  if (left !== undefined && isForkOf(await left.log.genesis(), named)) return
  const { publicKey, privateKey } = await makeKeys()
  const fork = await session.createChannel(name, publicKey, () => keepSigningKey(keys, name, privateKey), named)
  await fork.link()
}

async function forkPoint(session: Session, channel: Channel, when: When): Promise<Upstream> {
  session.requireRunning(channel)
  if (channel.log.length === 0) throw new FreshetError('NO_RELEASE', `nothing of ${channel.name} has arrived yet`)
  await channel.link()
  await channel.history.advance()
  const { number, block, hash } = await channel.history.resolve(await forEverybody(channel, when, 0))
  const { release } = await readRelease(channel.log, block)
  return { key: channel.log.core.key, number, block, hash, treeHash: release.headBefore.treeHash }
}

function isForkOf({ upstream }: Genesis, named: Upstream): boolean {
  return upstream !== null && upstream.key.equals(named.key) && upstream.hash.equals(named.hash)
}
