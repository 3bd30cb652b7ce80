/** `freshet start`: the daemon, which reads its config again on SIGHUP. `freshet dht`: a bootstrap node for a private network. */
import { closeSync, openSync } from 'node:fs'
import type { Command } from 'commander'
import { asFreshetError, FreshetError } from '../../schemas/errors.ts'
import { parseHostPort } from '../arguments.ts'
import { startDaemon } from '../daemon.ts'
import type { Daemon } from '../daemon.ts'
import { eventLine } from '../output.ts'
import { contextOf, withBootstrap, withCommonOptions } from './context.ts'
import type { CommandContext, CommonOptions } from './context.ts'

/** Not HyperDHT's own 49737, which the first node of a machine takes, nor one that systems hand out to outgoing sockets. */
const DHT_PORT = '7077'

interface StartOptions extends CommonOptions {
  readonly gateway: string
}

export function addStartCommands(program: Command): void {
  withBootstrap(withCommonOptions(program.command('start')))
    .description('run the daemon: follow, serve peers, and serve apt through the gateway')
    .option('--gateway <host:port>', 'where apt is served', '127.0.0.1:7070')
    .action(async (options: StartOptions) => {
      const context = contextOf(options)
      const daemon = await startDaemon({
        home: context.home,
        network: context.network,
        gateway: parseHostPort(options.gateway),
        log: (_, message) => context.onLog(message),
      })
      daemon.node.onNotification((event) => {
        process.stdout.write(`${options.json ? JSON.stringify(event) : eventLine(event)}\n`)
      })
      process.on('SIGHUP', () => void onHangUp(daemon, context))
      const { url } = daemon.node.gateway ?? { url: null }
      context.output.result({ gateway: url, home: context.home }, () => `gateway ${url}, home ${context.home}`)
      await aborted(context.signal)
      await daemon.close()
    })

  withCommonOptions(program.command('dht'))
    .description('run a bootstrap node for a private network')
    .option('--host <ipv4>', 'the address that other nodes reach it at', '127.0.0.1')
    .option('--port <n>', 'UDP port; 0 takes a free one on loopback', DHT_PORT)
    .action(async (options: CommonOptions & { host: string; port: string }) => {
      const context = contextOf(options)
      const port = Number(options.port)
      if (!Number.isInteger(port) || port < 0 || port > 65_535)
        throw new FreshetError('USAGE', `${options.port} is no port`)
      const { startBootstrap } = await import('../../protocols/bootstrap.ts') // HyperDHT, which no other command waits for
      const node = await startBootstrap({ host: options.host, port })
      const { host } = node
      context.output.result({ host, port: node.port }, () => `${host}:${node.port}`)
      await aborted(context.signal)
      await node.destroy()
    })
}

/** Two meanings of one signal: a daemon is to read its config again, and a program in a terminal has lost it. */
async function onHangUp(daemon: Daemon, { onLog }: CommandContext): Promise<void> {
  if (process.stdout.isTTY && !hasTerminal()) return endHungUp(daemon)
  const { node } = daemon
  try {
    await node.config.reread()
    onLog(`${node.config.path} was read again`)
  } catch (error) {
    const { code, message } = asFreshetError(error)
    onLog(`${code}: ${message}; what was in force stays`)
  }
}

/** Closes, then ends as the signal would have: Node aborts when it exits by itself and cannot restore a terminal that is gone. */
async function endHungUp(daemon: Daemon): Promise<void> {
  process.removeAllListeners('SIGHUP').on('SIGHUP', () => {}) // shell and kernel both send it
  await daemon.close()
  process.removeAllListeners('SIGHUP').kill(process.pid, 'SIGHUP')
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    return false // ENXIO: there is none any more
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const keepAlive = setInterval(() => {}, 2 ** 30) // sockets of a quiet network do not hold the process
    const end = (): void => (clearInterval(keepAlive), resolve())
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true })
  })
}
