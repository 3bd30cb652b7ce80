/** Wants the file of a package of a channel. What a fork has from upstream is wanted as upstream's: there are its root, bundle and mirrors. */
import type { Artifact } from '../../schemas/artifact.ts'
import type { Channel } from '../channel.ts'
import type { Fetches, NamedFile } from './fetches.ts'

/** @throws as Fetches.want; FreshetError EVENT_INVALID when the block is in no log of the channel. */
export async function wantFile(
  { fetches }: { readonly fetches: Fetches },
  channel: Channel,
  artifact: Artifact,
  { filename, block }: NamedFile,
): Promise<void> {
  const origin = channel.origin(block)
  return fetches.want(origin.channel.key, artifact, { filename, block: origin.block })
}
