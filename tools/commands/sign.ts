/** `freshet sign FILE`: a signer's part, without node or network. `freshet commit CHANNEL FILE...`: appends what enough have signed. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { CommitResult } from '../../actors/ports/commit-release.ts'
import { percentOf } from '../../schemas/rollout.ts'
import { id } from '../../store/identity.ts'
import type { Quorum } from '../../store/quorum.ts'
import { createOutput, formatCount, rolloutLine } from '../output.ts'
import { withNode } from '../run-operation.ts'
import { signFile } from '../signing.ts'
import type { Signed } from '../signing.ts'
import { contextOf, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'

interface SignCommandOptions {
  readonly key: string
  readonly to?: string
  readonly replace: boolean
  readonly json: boolean
}

export function addSigningCommands(program: Command): void {
  program
    .command('sign')
    .argument('<request>')
    .description('check a request, say what it amounts to, and sign it; needs neither home nor network')
    .requiredOption('--key <file>', 'the signer’s private key')
    .option('--to <file>', 'where to write the signature; default: beside the request')
    .option('--replace', 'also when this key has signed another continuation of the log', false)
    .option('--json', 'print the result as JSON', false)
    .action(async (request: string, { key, to, replace, json }: SignCommandOptions) => {
      const target = to === undefined ? null : resolve(to)
      const signed = await signFile({ request: resolve(request), key: resolve(key), to: target, replace })
      const summary = summaryOf(signed)
      createOutput(json).result(summary, () => summaryText(summary))
    })

  withCommonOptions(program.command('commit').argument('<channel>').argument('<signature...>'))
    .description('append what is prepared, once enough signers have signed it')
    .action(async (channel: string, signatures: readonly string[], options: CommonOptions) => {
      const context = contextOf(options)
      const args = { channel, signatures: signatures.map((path) => resolve(path)) }
      const result = (await withNode(context, 'commit', (call) => call('commit', args))) as CommitResult & {
        channel: string
      }
      context.output.result(result, () => {
        const { release, appended } = result
        return `${result.channel} #${release}${appended ? ' is published' : ' was published before: nothing to do'}`
      })
    })
}

/** What `--json` gives. */
interface Summary {
  readonly channel: string
  readonly id: string
  readonly signer: string
  readonly path: string
  /** Blocks of the log before and after. */
  readonly base: number
  readonly length: number
  readonly release: number | null
  readonly suite: string | null
  readonly indexes: readonly { readonly path: string; readonly size: number; readonly sha256: string }[]
  /** To whom the release, or one that was published, is offered. */
  readonly rollout: { readonly release: number; readonly share: number; readonly halted: string | null } | null
  readonly withdrawn: { readonly name: string; readonly version: string; readonly reason: string } | null
  readonly successor: { readonly id: string; readonly quorum: number; readonly signers: readonly string[] } | null
}

function summaryOf({ quorum, base, log, last, successor, signer, path, ...signed }: Signed): Summary {
  const rollout = last.type === 'rollout' ? last : signed.rollout
  const release = last.type === 'release' ? last : null
  return {
    channel: quorum.genesis.name,
    id: id(quorum.logKey),
    signer,
    path,
    base,
    length: log.length,
    release: release?.number ?? null,
    suite: release?.suite ?? null,
    indexes: (release?.indexes ?? []).map((index) => {
      return { path: index.path, size: index.byteLength, sha256: index.digest.toString('hex') }
    }),
    rollout:
      rollout === null ? null : { release: rollout.number, share: percentOf(rollout.share), halted: rollout.halted },
    withdrawn: last.type === 'withdraw' ? { name: last.name, version: last.version, reason: last.reason } : null,
    successor: successor === null ? null : successorOf(successor),
  }
}

function successorOf({ logKey, channel }: Quorum): NonNullable<Summary['successor']> {
  return { id: id(logKey), quorum: channel.quorum, signers: channel.signers.map(id) }
}

function summaryText(summary: Summary): string {
  const { channel, release, suite, base, length, indexes, rollout, withdrawn, successor, path, ...of } = summary
  const lines = [`${channel} (${of.id}), blocks ${formatCount(base)} to ${formatCount(length)}`]
  if (withdrawn !== null) lines.push(`withdraws ${withdrawn.name}=${withdrawn.version}: ${withdrawn.reason}`)
  if (rollout !== null) lines.push(rolloutLine(rollout))
  if (release !== null) {
    lines.push(`release #${release} of ${suite}`)
    for (const { sha256, size, path: file } of indexes) lines.push(`  ${sha256}  ${size}  ${file}`)
  }
  if (successor !== null) {
    lines.push(`passes to ${successor.id}, which ${successor.quorum} of these sign:`)
    for (const signer of successor.signers) lines.push(`  ${signer}`)
  }
  lines.push(`signed by ${of.signer}: ${path}`)
  return lines.join('\n')
}
