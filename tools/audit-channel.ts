/** The `audit` operation: which keys, which part of the history, which pool; the audit itself is store/audit/. */
import { randomBytes } from 'node:crypto'
import type { Channel } from '../actors/channel.ts'
import type { Node } from '../actors/node.ts'
import type { ControlIo } from '../protocols/control-server.ts'
import type { AuditReport } from '../schemas/audit-report.ts'
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import { BLOCK_WAIT_MS } from '../schemas/limits.ts'
import { auditChannel } from '../store/audit/audit-channel.ts'
import type { ReleaseLog } from '../store/release-log.ts'
import { auditVerdicts } from './audit-verdicts.ts'
import { countOf, flagOf, optionalTextOf, textOf, textsOf } from './arguments.ts'
import type { Arguments } from './arguments.ts'
import { inReleaseJudge } from './judge-in-release.ts'

export interface ChannelAudit extends AuditReport {
  readonly channel: string
  /** Releases whose verdicts about their packages were computed anew; null: not asked for. */
  readonly verdicts: number | null
}

export async function auditOperation(node: Node, args: Arguments, io: ControlIo): Promise<ChannelAudit> {
  const { session } = node
  const channel = session.channel(textOf(args, 'channel'))
  const { name, log, metadata } = channel
  const since = countOf(args, 'since') ?? 1
  const count = countOf(args, 'sample')
  if (since < 1 || count === 0) throw new FreshetError('USAGE', 'releases are counted from 1')
  const judge = await inReleaseJudge({
    named: textsOf(args, 'keyrings'),
    channelKey: await channelKeyOf(log),
    nowMs: Date.now(),
  })
  const report = await auditChannel(log, {
    pool: flagOf(args, 'withoutPool') ? null : session.pool,
    accepted: session.heads.newest(log.key),
    since,
    upstream: await upstreamOf(channel),
    sample: count === null ? null : { count, seed: optionalTextOf(args, 'seed') ?? randomBytes(8).toString('hex') },
    scratch: node.home.staging,
    judge,
    maintainerLog: (key) => metadata.logOf(key),
    waitMs: BLOCK_WAIT_MS,
    signal: io.signal,
    onProgress: (progress) => io.progress(progress),
  })
  if (!flagOf(args, 'verdicts')) return { channel: name, ...report, verdicts: null }
  const audited = await auditVerdicts(node, channel, report, io.signal)
  return { channel: name, ...audited.report, verdicts: audited.verdicts }
}

/** Null also where a fork cannot say what its upstream is: that is for the audit to report. */
async function upstreamOf(channel: Channel): Promise<Channel['upstream']> {
  try {
    await channel.link()
    await channel.upstream?.history.advance()
  } catch (error) {
    if (!['EVENT_INVALID', 'VERSION_UNSUPPORTED', 'NO_PEERS', 'FORK_CYCLE'].includes(asFreshetError(error).code))
      throw error
  }
  return channel.upstream
}

/** A genesis that cannot be read is for the audit to report. */
async function channelKeyOf(log: ReleaseLog): Promise<Buffer | null> {
  try {
    return (await log.genesis()).signingKey
  } catch {
    return null
  }
}
