/** Operation `advisories`: what a channel warns of, or what of it concerns a machine. */
import type { Node } from '../actors/node.ts'
import { concernsOf } from '../actors/concerns.ts'
import type { Concern } from '../actors/concerns.ts'
import { warningsOf } from '../actors/ports/tell-concerns.ts'
import type { Advisory, KnownBadSet } from '../schemas/advisory.ts'
import { RelationParser } from '../schemas/relation.ts'
import { parseWhen } from '../schemas/when.ts'
import { readStatusFile } from '../store/installed-packages.ts'
import { optionalTextOf, textOf } from './arguments.ts'
import type { Arguments } from './arguments.ts'

export interface WithdrawnVersion {
  readonly name: string
  readonly version: string
  readonly reason: string
}

export interface AdvisoriesResult {
  readonly channel: string
  /** Null: as of now. */
  readonly release: number | null
  /** Everything that the channel ever withdrew, whatever the release. */
  readonly withdrawn: readonly WithdrawnVersion[]
  readonly advisories: readonly Advisory[]
  readonly knownBad: readonly KnownBadSet[]
  /** What of it is about packages that are installed; null: not asked for. */
  readonly concerns: readonly Concern[] | null
}

export async function advisoriesOperation(node: Node, args: Arguments): Promise<AdvisoriesResult> {
  const channel = node.session.channel(textOf(args, 'channel'))
  const [when, status] = [optionalTextOf(args, 'when'), optionalTextOf(args, 'status')]
  const release = when === null ? null : (await channel.history.resolve(parseWhen(when))).number
  const warnings = await warningsOf(channel, release)
  const { advisories, knownBad } = warnings
  const withdrawn = [...warnings.withdrawn.values()].map(({ name, version, reason }) => ({ name, version, reason }))
  const machine = status === null ? null : await readStatusFile(status, new RelationParser())
  const concerns = machine === null ? null : concernsOf(warnings, machine)
  return { channel: channel.name, release, withdrawn, advisories, knownBad, concerns }
}
