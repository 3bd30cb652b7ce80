/** What every command starts from: --home, --json, --bootstrap, and Ctrl-C as an abort. */
import type { Command } from 'commander'
import { Option } from 'commander'
import { resolve } from 'node:path'
import { defaultHome } from '../../store/home.ts'
import { parseHostPort } from '../arguments.ts'
import { createOutput } from '../output.ts'
import type { Output } from '../output.ts'
import type { RunContext } from '../run-operation.ts'

export interface CommonOptions {
  readonly home: string
  readonly json: boolean
  readonly bootstrap: readonly string[]
}

/** Adds what all commands share. */
export function withCommonOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--home <dir>', 'where this node keeps everything').default(defaultHome(), 'the XDG data folder'),
    )
    .option('--json', 'print the result as JSON', false)
}

/** `--bootstrap`, for commands that may open the network themselves. */
export function withBootstrap(command: Command): Command {
  return command.addOption(
    new Option('--bootstrap <host:port>', 'a node of a private DHT (repeatable); default: the public one')
      .argParser((value: string, before: string[]) => [...before, value])
      .default([] as string[], 'the public DHT'),
  )
}

export interface CommandContext extends RunContext {
  readonly output: Output
}

/** @throws FreshetError USAGE for a malformed --bootstrap. */
export function contextOf(options: CommonOptions, onEvent: (value: unknown) => void = () => {}): CommandContext {
  const output = createOutput(options.json)
  return {
    output,
    home: resolve(options.home),
    network: { bootstrap: (options.bootstrap ?? []).map(parseHostPort) },
    signal: interruption(),
    onProgress: (update) => output.progress(update),
    onEvent,
    onLog: (message) => {
      if (!options.json) process.stderr.write(`freshet: ${message}\n`)
    },
  }
}

/** One Ctrl-C may arrive twice: from the terminal, and from the npm that started us. */
const SAME_INTERRUPTION_MS = 1_000

/** Aborts on SIGINT or SIGTERM; another one a while later ends the process the hard way. */
function interruption(): AbortSignal {
  const abort = new AbortController()
  let firstAtMs: number | null = null
  const onSignal = (): void => {
    firstAtMs ??= performance.now()
    if (performance.now() - firstAtMs > SAME_INTERRUPTION_MS) process.exit(130)
    abort.abort()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal)
  // Whoever read the output has had enough, as `| head` does.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    abort.abort()
  })
  return abort.signal
}

/** For a command that ends by Ctrl-C: then it is no error. */
export async function untilInterrupted(listening: Promise<unknown>, signal: AbortSignal): Promise<void> {
  try {
    await listening
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
