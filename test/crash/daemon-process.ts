/**
 * The process that the crash tests kill: a whole daemon, told what to do in lines of JSON.
 *
 * Loads everything, then waits for its first line, so that a killed daemon's successor starts without the time of loading.
 * Lines in: `Start` first, then `Ask`. Lines out: written synchronously, so what was said before a kill has been said.
 * Ends with its standard input: it never outlives its test.
 */
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { HostPort } from '../../actors/ports/network.ts'
import { asFreshetError } from '../../schemas/errors.ts'
import { type Daemon, startDaemon } from '../../tools/daemon.ts'
import { type OperationName, operationsOf } from '../../tools/operations.ts'

export interface Start {
  readonly home: string
  /** Null: no network. */
  readonly bootstrap: HostPort | null
}
export interface Ask {
  readonly id: number
  readonly operation: OperationName
  readonly args: object
}
export type Answer =
  | { readonly type: 'loaded' }
  | { readonly type: 'started'; readonly gateway: string }
  | { readonly type: 'result'; readonly id: number; readonly result: unknown }
  | { readonly type: 'error'; readonly id: number; readonly code: string; readonly message: string }
  | { readonly type: 'announced'; readonly release: number }

function say(answer: Answer): void {
  writeSync(1, `${JSON.stringify(answer)}\n`)
}

async function start({ home, bootstrap }: Start): Promise<Daemon> {
  const daemon = await startDaemon({
    home,
    network: bootstrap === null ? null : { bootstrap: [bootstrap] },
    gateway: { host: '127.0.0.1', port: 0 },
    log: (level, message) => level === 'warn' && console.error(message),
  })
  daemon.node.onNotification((event) => {
    if (event.event === 'release') say({ type: 'announced', release: event.release })
  })
  say({ type: 'started', gateway: daemon.node.gateway?.url ?? '' })
  return daemon
}

async function answer({ node }: Daemon, { id, operation, args }: Ask): Promise<void> {
  const io = { signal: new AbortController().signal, progress: () => {}, event: async () => {} }
  try {
    say({ type: 'result', id, result: await operationsOf(node)[operation](args, io) })
  } catch (error) {
    const { code, message } = asFreshetError(error)
    say({ type: 'error', id, code, message })
  }
}

console.log = console.error // standard output is for answers
let daemon: Daemon | null = null
say({ type: 'loaded' })
for await (const line of createInterface({ input: process.stdin })) {
  if (daemon !== null) {
    void answer(daemon, JSON.parse(line) as Ask)
    continue
  }
  try {
    daemon = await start(JSON.parse(line) as Start)
  } catch (error) {
    const { code, message } = asFreshetError(error)
    say({ type: 'error', id: 0, code, message })
  }
}
process.exit(0)
