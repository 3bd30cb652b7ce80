/** `freshet signer create`: a signer's key. Also the options that name the signers of a channel. */
import { resolve } from 'node:path'
import { Option } from 'commander'
import type { Command } from 'commander'
import { id } from '../../store/identity.ts'
import { createSignerKey } from '../../store/signer-key.ts'
import { createOutput } from '../output.ts'

export interface SignerOptions {
  readonly signer: readonly string[]
  readonly quorum?: number
}

/** `--signer KEY... --quorum N`. */
export function withSigners(command: Command): Command {
  return command
    .option(
      '--signer <key>',
      'a signer’s public key, as signer create prints it (repeatable)',
      (value: string, before: readonly string[]) => [...before, value],
      [] as readonly string[],
    )
    .addOption(new Option('--quorum <n>', 'how many of them must sign a release').argParser((text) => Number(text)))
}

export function addSignerCommands(program: Command): void {
  program
    .command('signer')
    .description('keys of people who sign releases')
    .command('create')
    .description('make a signer’s key; prints its public part, which channel create needs')
    .requiredOption('--to <file>', 'the private key; a key that is there already is kept and shown')
    .option('--json', 'print the result as JSON', false)
    .action(async ({ to, json }: { to: string; json: boolean }) => {
      const path = resolve(to)
      const signer = id((await createSignerKey(path)).publicKey)
      createOutput(json).result({ signer, path }, () => signer)
    })
}
