/** Options of commands that several people may have to sign, and what is said when they must. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { FreshetError } from '../../schemas/errors.ts'

export interface RequestOptions {
  readonly request?: string
  readonly replace: boolean
}

export function withRequestOptions(command: Command): Command {
  return command
    .option('--request <file>', 'for a channel with several signers: write what they are to sign')
    .option('--replace', 'with --request: give up what else is prepared, and the signatures that it has', false)
}

/** @throws FreshetError USAGE. */
export function requestOf({ request, replace }: RequestOptions): { request: string | null; replace: boolean } {
  if (replace && request === undefined) throw new FreshetError('USAGE', '--replace needs --request')
  return { request: request === undefined ? null : resolve(request), replace }
}

export function signersText(channel: string, request: string): string {
  return `each signer: freshet sign ${request} --key KEYFILE; then: freshet commit ${channel} SIGNATUREFILE...`
}
