/**
 * Runs a program for a notification: without a shell, in a process group of its own, for a bounded time.
 *
 * What it is told stands on its standard input and in its environment. Of its output only the end of standard error is kept, for
 * the error. One that does not end in time is killed with all that it started.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { FreshetError } from '../../schemas/errors.ts'
import { HOOK_MS_MAX, HOOK_OUTPUT_BYTES_MAX } from '../../schemas/limits.ts'

export interface ProgramRun {
  /** Absolute, or a name to be found on PATH. */
  readonly program: string
  readonly args: readonly string[]
  readonly input: string
  /** Beside what this process has. */
  readonly environment: Readonly<Record<string, string>>
  /** Kills it. */
  readonly signal: AbortSignal
  /** Instead of HOOK_MS_MAX. */
  readonly msMax?: number
}

/** @throws FreshetError HOOK_FAILED (detail `exitCode`, `errno`), HOOK_TIMEOUT, INTERRUPTED. */
export async function runProgram({ program, args, input, environment, signal, msMax }: ProgramRun): Promise<void> {
  if (signal.aborted) throw new FreshetError('INTERRUPTED', `${program} was not started`)
  const child = spawn(program, args, {
    env: { ...process.env, ...environment },
    stdio: ['pipe', 'ignore', 'pipe'],
    detached: true,
    cwd: '/',
  })
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-HOOK_OUTPUT_BYTES_MAX)))
  child.stderr?.on('error', () => {}) // it ends by itself
  child.stdin?.on('error', () => {}) // a program need not read
  child.stdin?.end(input)
  const onAbort = (): void => killGroup(child)
  signal.addEventListener('abort', onAbort, { once: true })
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    killGroup(child)
  }, msMax ?? HOOK_MS_MAX)
  try {
    const { exitCode, endedBy } = await endOf(child, program)
    if (signal.aborted) throw new FreshetError('INTERRUPTED', `${program} was stopped`)
    if (isLate) throw new FreshetError('HOOK_TIMEOUT', `${program} did not end in ${(msMax ?? HOOK_MS_MAX) / 1000} s`)
    if (exitCode === 0) return
    const how = exitCode === null ? `was ended by ${endedBy}` : `ended with ${exitCode}`
    throw new FreshetError('HOOK_FAILED', `${program} ${how}${said === '' ? '' : `: ${shown(said)}`}`, { exitCode })
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
    child.stderr?.destroy() // something that it left running may hold it open
  }
}

function endOf(child: ChildProcess, program: string): Promise<{ exitCode: number | null; endedBy: string | null }> {
  return new Promise((resolve, reject) => {
    child.once('exit', (exitCode, endedBy) => resolve({ exitCode, endedBy }))
    child.once('error', (error: NodeJS.ErrnoException) => {
      const errno = error.code ?? ''
      reject(new FreshetError('HOOK_FAILED', `${program} cannot be run: ${errno}`, { errno }, error))
    })
  })
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // all of it has ended already
  }
}

/** Its last line, on one line and without what a terminal would obey. */
function shown(text: string): string {
  return JSON.stringify((text.trimEnd().split('\n').at(-1) ?? '').slice(0, 200)).replace(/[^\x20-\x7e]/g, '?')
}
