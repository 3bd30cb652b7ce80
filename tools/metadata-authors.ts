/** Who said what in a metadata document, by the names that the channels give them: those of a fork's upstreams wrote there. */
import type { Channel } from '../actors/channel.ts'
import type { RegisterValue } from '../schemas/metadata-fold.ts'
import type { KeyHex } from '../schemas/units.ts'
import { keyId } from '../store/identity.ts'

interface NamedBy {
  readonly name: string
  readonly channel: Channel
}

export type Authors = ReadonlyMap<KeyHex, NamedBy>

export interface Author {
  /** Key of their log. */
  readonly by: string
  readonly name: string
  /** The channel whose maintainer they are: this one, or an upstream. */
  readonly of: { readonly channel: string; readonly id: string }
}

/** One thing that somebody said, and who. */
export interface SaidValue extends Author {
  readonly value: string
  /** Number of the change, in the log of its author. */
  readonly change: number
  /** The author's clock. */
  readonly at: string
}

/** Maintainers of a channel and of all its upstreams. @throws FreshetError EVENT_INVALID, NO_PEERS. */
export async function authorsOf(channel: Channel): Promise<Authors> {
  const authors = new Map<KeyHex, NamedBy>()
  for (let named: Channel | null = channel; named !== null; named = named.upstream) {
    for (const { key, name } of await named.metadata.maintainers()) {
      if (!authors.has(key)) authors.set(key, { name, channel: named })
    }
  }
  return authors
}

/** @param channel whose document it is. */
export function authorOf(authors: Authors, channel: Channel, key: KeyHex): Author {
  const { name, channel: of } = authors.get(key) ?? { name: '', channel }
  return { by: keyId(key), name, of: { channel: of.name, id: of.log.id } }
}

export function saidBy(authors: Authors, channel: Channel, { value, actor, seq, timeMs }: RegisterValue): SaidValue {
  return { value, ...authorOf(authors, channel, actor), change: seq, at: new Date(timeMs).toISOString() }
}
