/** Takes over the document of a fork's upstream as of one of its releases, whatever release the fork's packages stand on. */
import { FreshetError } from '../../schemas/errors.ts'
import type { When } from '../../schemas/when.ts'
import type { Channel } from '../channel.ts'
import type { NoteDeps } from './append-note.ts'
import { publishMetadata } from './publish-metadata.ts'
import type { PublishedMetadata } from './publish-metadata.ts'

export interface MergedMetadata extends PublishedMetadata {
  /** The upstream release whose document was looked at; one that is older than what the fork has brings nothing. */
  readonly upstream: number
}

/** @throws FreshetError NOT_A_FORK; EQUIVOCATION, HISTORY_REWRITE when upstream was stopped; RELEASE_UNKNOWN, and as publishMetadata. */
export async function mergeMetadata(deps: NoteDeps, fork: Channel, when: When): Promise<MergedMetadata> {
  await fork.link()
  const { upstream } = fork
  if (upstream === null) throw new FreshetError('NOT_A_FORK', `${fork.name} is no fork`, { channel: fork.name })
  await upstream.history.advance()
  const { number, block, hash } = await upstream.history.resolve(when)
  return { upstream: number, ...(await publishMetadata(deps, fork, { number, block, hash })) }
}
