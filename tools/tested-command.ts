/** Runs a command of the user without a shell, as `bisect` does for each release, and reads its exit code. */
import { spawn } from 'node:child_process'
import { FreshetError } from '../schemas/errors.ts'
import { COMMAND_KILL_MS } from '../schemas/limits.ts'
import type { Verdict } from './bisect-search.ts'

export interface TestedCommand {
  /** The program and its arguments. */
  readonly argv: readonly string[]
  /** Beside what this process has. */
  readonly environment: Readonly<Record<string, string>>
  /** Whether its standard output goes to standard error: ours then holds a result. */
  readonly outputToStderr: boolean
}

/** Codes that `git bisect run` gives the same meaning. */
const [CODE_SKIP, CODE_BAD_MAX] = [125, 127]

/** @throws FreshetError COMMAND_FAILED when it says that the whole search should stop. */
export function verdictOf(exitCode: number): Verdict {
  if (exitCode === 0) return 'good'
  if (exitCode === CODE_SKIP) return 'skip'
  if (exitCode <= CODE_BAD_MAX) return 'bad'
  throw new FreshetError('COMMAND_FAILED', `the command ended with ${exitCode}: 128 and more stop the search`, {
    exitCode,
  })
}

/** @returns its exit code. @throws FreshetError COMMAND_FAILED, INTERRUPTED once it has ended. */
export async function runTested(
  { argv: [program = '', ...args], environment, outputToStderr }: TestedCommand,
  signal: AbortSignal,
): Promise<number> {
  if (signal.aborted) throw interrupted()
  const child = spawn(program, args, {
    env: { ...process.env, ...environment },
    stdio: ['inherit', outputToStderr ? process.stderr.fd : 'inherit', 'inherit'],
  })
  let killTimer: NodeJS.Timeout | undefined
  const onAbort = (): void => {
    child.kill('SIGTERM')
    killTimer = setTimeout(() => child.kill('SIGKILL'), COMMAND_KILL_MS)
  }
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', (error) => {
        reject(new FreshetError('COMMAND_FAILED', `${program} cannot be run: ${error.message}`, { program }, error))
      })
      child.once('exit', (exitCode, endedBy) => {
        if (signal.aborted || endedBy === 'SIGINT') reject(interrupted())
        else if (exitCode !== null) resolve(exitCode)
        else reject(new FreshetError('COMMAND_FAILED', `${program} was ended by ${endedBy ?? 'a signal'}`, { program }))
      })
    })
  } finally {
    clearTimeout(killTimer)
    signal.removeEventListener('abort', onAbort)
  }
}

function interrupted(): FreshetError {
  return new FreshetError('INTERRUPTED', 'the search was interrupted')
}
