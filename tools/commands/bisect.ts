/** `freshet bisect CHANNEL --good WHEN --bad WHEN -- COMMAND`: the first release for which COMMAND fails. */
import type { Command } from 'commander'
import { FreshetError } from '../../schemas/errors.ts'
import { findFirstBad, verifyEnds } from '../bisect-search.ts'
import type { BisectEnds, Verdict } from '../bisect-search.ts'
import { diffText } from '../diff-text.ts'
import type { DiffResult, ReleaseView } from '../history-operations.ts'
import { dayAndTime } from '../ranges-text.ts'
import { withNode } from '../run-operation.ts'
import type { Call } from '../run-operation.ts'
import { runTested, verdictOf } from '../tested-command.ts'
import { contextOf, withBootstrap, withCommonOptions } from './context.ts'
import type { CommandContext, CommonOptions } from './context.ts'

interface BisectOptions extends CommonOptions {
  readonly good: string
  readonly bad: string
  readonly verify: boolean
}

interface Tried {
  readonly release: number
  readonly verdict: Verdict
  readonly exitCode: number
}

/** Any free port: the URL is in the environment of the command. */
const GATEWAY = { host: '127.0.0.1', port: 0 }

export function addBisectCommand(program: Command): void {
  withBootstrap(withCommonOptions(program.command('bisect').argument('<channel>').argument('<command...>')))
    .description('find the first release for which COMMAND fails; it finds FRESHET_URL in its environment')
    .requiredOption('--good <when>', 'a release for which it succeeds')
    .requiredOption('--bad <when>', 'a later release for which it fails')
    .option('--no-verify', 'take both for granted')
    .action(async (channel: string, argv: string[], options: BisectOptions) => {
      const context = contextOf(options)
      await withNode(context, 'release', (call) => bisect(context, call, channel, argv, options), {
        gateway: GATEWAY,
        channels: [channel],
      })
    })
}

async function bisect(
  context: CommandContext,
  call: Call,
  channel: string,
  argv: readonly string[],
  { good, bad, verify }: BisectOptions,
): Promise<void> {
  const ends = await findEnds(call, channel, good, bad)
  const tried: Tried[] = []
  const judge = async (release: number, left: number): Promise<Verdict> => {
    const exitCode = await tryRelease(context, call, { channel, release, left, argv })
    const verdict = verdictOf(exitCode)
    tried.push({ release, verdict, exitCode })
    context.output.step(`#${release}: ${verdict} (exit ${exitCode})`)
    return verdict
  }
  if (verify) await verifyEnds(ends, judge)
  const { good: lastGood, bad: firstBad } = await findFirstBad(ends, judge)
  const changes = (await call('diff', { from: `${channel}@${lastGood}`, to: `${channel}@${firstBad}` })) as DiffResult
  const { publishedAt } = changes.to
  context.output.result({ channel: changes.to.channel, firstBad, publishedAt, lastGood, tried, changes }, () => {
    const found = `#${firstBad} is the first bad release of ${changes.to.channel}, published ${dayAndTime(publishedAt)}`
    return `${found}\n\n${diffText(changes)}`
  })
}

/** @throws FreshetError BISECT_RANGE, RELEASE_UNKNOWN, CHANNEL_UNKNOWN, USAGE. */
async function findEnds(call: Call, channel: string, good: string, bad: string): Promise<BisectEnds> {
  const [first, last] = [await findRelease(call, channel, good), await findRelease(call, channel, bad)]
  const ends = { good: first.release, bad: last.release }
  if (ends.good < ends.bad) return ends
  const message =
    ends.good === ends.bad
      ? `both good and bad are #${ends.good}`
      : `#${ends.good}, given as good, is newer than #${ends.bad}, given as bad`
  throw new FreshetError('BISECT_RANGE', message, { ...ends })
}

async function findRelease(call: Call, channel: string, when: number | string): Promise<ReleaseView> {
  return (await call('release', { of: `${channel}@${when}` })) as ReleaseView
}

interface Try {
  readonly channel: string
  readonly release: number
  readonly left: number
  readonly argv: readonly string[]
}

/** Runs the command on one release. @returns its exit code. */
async function tryRelease(context: CommandContext, call: Call, { channel, release, left, argv }: Try): Promise<number> {
  const view = await findRelease(call, channel, release)
  context.output.step(
    `#${release}, published ${dayAndTime(view.publishedAt)}: testing; one of ${left} is the first bad one`,
  )
  await call('snapshot', { channel, when: String(release) }) // rebuilt now: the command need not wait for it
  context.output.settle()
  const { gateway } = (await call('status', {})) as { gateway: string | null } // asked each time: daemons restart
  if (gateway === null) throw new FreshetError('DAEMON_UNREACHABLE', 'this node has no gateway')
  const environment = {
    FRESHET_URL: `${gateway}/${view.channel}@${release}`,
    FRESHET_RELEASE: String(release),
    FRESHET_CHANNEL: view.channel,
    FRESHET_SUITE: view.suite,
  }
  return runTested({ argv, environment, outputToStderr: context.output.json }, context.signal)
}
