/** The `check` operation: which packages of a release cannot be installed, why, and what became of that since the release before. */
import type { Channel } from '../actors/channel.ts'
import type { Node } from '../actors/node.ts'
import { loggedRelease, releaseBefore } from '../actors/ports/check-release.ts'
import type { CheckedRelease } from '../actors/ports/package-checker.ts'
import { asFreshetError } from '../schemas/errors.ts'
import type { BrokenName } from '../schemas/verdict.ts'
import { parseWhen } from '../schemas/when.ts'
import type { SnapshotPlan } from '../store/release-block.ts'
import { optionalTextOf, textOf } from './arguments.ts'
import type { Arguments } from './arguments.ts'

/** A package, and the architecture of the machine that it cannot be installed on. */
export interface BrokenOn extends BrokenName {
  readonly on: string
}

export interface BrokenView extends BrokenOn {
  /** Steps that show why, the first about the package itself. */
  readonly reason: readonly string[]
}

export interface CheckResult {
  readonly channel: string
  readonly release: number
  readonly suite: string
  readonly ok: boolean
  readonly architectures: readonly string[]
  /** Looked at, over all architectures: one of Architecture: all counts for each. */
  readonly packages: number
  readonly broken: readonly BrokenView[]
  /** The release that it is compared with; null: there is none, or it cannot be had. */
  readonly since: { readonly channel: string; readonly release: number } | null
  /** Those of `broken` that could be installed from that, or were not in it; and those that can be installed now. */
  readonly became: readonly BrokenOn[]
  readonly mended: readonly BrokenOn[]
}

export async function checkOperation(node: Node, args: Arguments): Promise<CheckResult> {
  const channel = node.session.channel(textOf(args, 'channel'))
  const when = parseWhen(optionalTextOf(args, 'when'))
  const { number, suite } =
    when.kind === 'newest' ? (await channel.snapshot(when)).release : await channel.history.resolve(when)
  const plan = await channel.history.plan(number)
  const before = await toCompare(channel, plan)
  const checks = await node.checker.check(before, loggedRelease(channel, plan), 'all')
  const broken = checks.flatMap(({ architecture: on, broken: found }) => found.map((one) => ({ ...one, on })))
  return {
    channel: channel.name,
    release: number,
    suite,
    ok: broken.length === 0,
    architectures: checks.map(({ architecture }) => architecture),
    packages: checks.reduce((sum, { packages }) => sum + packages, 0),
    broken: broken.map(({ reason, on, ...one }) => ({ ...nameOf(one), on, reason })),
    since: before === null ? null : sinceOf(channel, plan),
    became: broken.filter(({ isNew }) => isNew).map(({ on, ...one }) => ({ ...nameOf(one), on })),
    mended: checks.flatMap(({ architecture: on, mended }) => mended.map((one) => ({ ...nameOf(one), on }))),
  }
}

/** Null where not all that the release before consists of is here, as with somebody who has begun to follow: nobody waits for that. */
async function toCompare(channel: Channel, plan: SnapshotPlan): Promise<CheckedRelease | null> {
  try {
    const before = await releaseBefore(channel, plan)
    const blocks = before?.indexes.flatMap(({ runs }) => runs.map(({ block }) => block)) ?? []
    return (await channel.log.missing(new Set(blocks))).length === 0 ? before : null
  } catch (error) {
    if (asFreshetError(error).code === 'NO_PEERS') return null
    throw error
  }
}

function sinceOf({ name, upstream }: Channel, plan: SnapshotPlan): CheckResult['since'] {
  const { number } = plan.release
  if (number > 1) return { channel: name, release: number - 1 }
  return { channel: upstream?.name ?? name, release: plan.upstream?.release.number ?? 0 }
}

function nameOf({ name, version, architecture }: BrokenName): BrokenName {
  return { name, version, architecture }
}
