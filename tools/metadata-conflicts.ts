/** Operations about what maintainers, or a fork and its upstream, say differently: what it is, who said it, and settling it. */
import type { Channel } from '../actors/channel.ts'
import type { Node } from '../actors/node.ts'
import { mergeMetadata } from '../actors/ports/merge-metadata.ts'
import type { MergedMetadata } from '../actors/ports/merge-metadata.ts'
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import { isBinding } from '../schemas/metadata-paths.ts'
import { parseWhen } from '../schemas/when.ts'
import { flagOf, optionalTextOf, textOf, type Arguments } from './arguments.ts'
import { authorsOf, saidBy, type SaidValue } from './metadata-authors.ts'
import { writeRegisters, type WrittenResult } from './metadata-operations.ts'

export const CONFLICT_OPERATIONS = ['meta.conflicts', 'meta.settle', 'meta.merge'] as const
type ConflictOperation = (typeof CONFLICT_OPERATIONS)[number]

export interface Conflict {
  readonly path: string
  /** The one that is shown first. */
  readonly values: readonly SaidValue[]
}

export interface ConflictsResult {
  readonly channel: string
  readonly conflicts: readonly Conflict[]
}

export interface MetadataMerge extends MergedMetadata {
  readonly channel: string
  /** How many registers somebody must decide about now. */
  readonly conflicts: number
}

export function conflictOperations(node: Node): Record<ConflictOperation, (args: Arguments) => Promise<unknown>> {
  return {
    'meta.conflicts': async (args): Promise<ConflictsResult> => {
      const channel = node.session.channel(textOf(args, 'channel'))
      return { channel: channel.name, conflicts: await conflictsIn(channel, flagOf(args, 'all')) }
    },
    'meta.settle': (args) => settle(node, args),
    'meta.merge': async (args): Promise<MetadataMerge> => {
      const { name } = node.session.channel(textOf(args, 'channel'))
      const when = parseWhen(optionalTextOf(args, 'to'))
      const merged = await node.changing(name, (_, channel, deps) => mergeMetadata(deps, channel, when))
      return { channel: name, ...merged, conflicts: (await conflictsIn(node.session.channel(name), false)).length }
    },
  }
}

/** How many registers somebody must decide about; null: the document cannot be read at the moment. */
export async function countConflicts(channel: Channel): Promise<number | null> {
  try {
    return (await conflictsIn(channel, false)).length
  } catch (error) {
    if (['NO_PEERS', 'EVENT_INVALID', 'METADATA_MISMATCH'].includes(asFreshetError(error).code)) return null
    throw error
  }
}

/** Registers with several values that differ; those that only people read, where `all` is asked for. */
async function conflictsIn(channel: Channel, all: boolean): Promise<Conflict[]> {
  const { fold } = await channel.metadata.view(null)
  const authors = await authorsOf(channel)
  return [...fold.state.registers]
    .filter(([path, values]) => new Set(values.map(({ value }) => value)).size > 1 && (all || isBinding(path)))
    .map(([path, values]) => ({ path, values: values.map((value) => saidBy(authors, channel, value)) }))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

/** Unlike `meta set` it takes nothing that nobody said, and nothing that is settled: a slip would be one more opinion. */
async function settle(node: Node, args: Arguments): Promise<WrittenResult> {
  const channel = node.session.channel(textOf(args, 'channel'))
  const [path, value] = [textOf(args, 'path'), textOf(args, 'value')]
  const said = (await conflictsIn(channel, true)).find((conflict) => conflict.path === path)?.values ?? []
  if (said.some((known) => known.value === value)) return writeRegisters(node, channel, [{ path, value }], args)
  const what = said.length === 0 ? 'is not in conflict' : `is one of ${said.map((known) => known.value).join(', ')}`
  throw new FreshetError('CONFLICT_UNKNOWN', `${path} ${what}`, { path })
}
