/**
 * The daemon's end of the control socket: named operations for the commands of the same user.
 *
 * Owns the socket file (mode 0600, in a folder nobody else can write to), who is connected and what runs for them.
 * An operation ends when it is done, cancelled, or its command is gone; nothing it throws reaches the process.
 * The wire format is in control-wire.ts.
 */
import { chmodSync } from 'node:fs'
import { lstat, unlink } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import {
  CONTROL_CONNECTIONS_MAX,
  CONTROL_EVENTS_MAX,
  CONTROL_LINE_BYTES_MAX,
  CONTROL_OPERATIONS_MAX,
  CONTROL_REPLY_BYTES_MAX,
} from '../schemas/limits.ts'
import { Outbox } from './control-outbox.ts'
import { checkSocketPath, ensureSocketFolder } from './control-path.ts'
import { type ControlReply, LineSplitter, parseRequest } from './control-wire.ts'

export interface ControlIo {
  /** Aborted when the command cancels or is gone. */
  readonly signal: AbortSignal
  /** How far it is. Dropped while the command does not read: the next one says more anyway. */
  readonly progress: (update: unknown) => void
  /** Something the command must not miss. Await it: it resolves when the command can take more. */
  readonly event: (value: unknown) => Promise<void>
}

/** `args` come as the command sent them: the operation checks them. The result must be JSON; undefined becomes null. */
export type ControlOperation = (args: unknown, io: ControlIo) => Promise<unknown>

export interface ControlServerOptions {
  readonly path: string
  readonly operations: Readonly<Record<string, ControlOperation>>
  /** Told of defects (code INTERNAL), for the log; the command is told as well. */
  readonly onError?: (error: FreshetError) => void
}

export interface ControlServer {
  readonly path: string
  /** Aborts what runs, closes every connection and removes the socket file. */
  close(): Promise<void>
}

/** @throws FreshetError STORE_LOCKED when a live daemon has this socket. */
export async function serveControl(options: ControlServerOptions): Promise<ControlServer> {
  const { path } = options
  checkSocketPath(path)
  await ensureSocketFolder(path)
  await removeStale(path)
  const connections = new Set<ControlConnection>()
  const server = createServer((socket) => {
    if (connections.size >= CONTROL_CONNECTIONS_MAX) {
      socket.destroy()
      return
    }
    const connection = new ControlConnection(socket, options)
    connections.add(connection)
    socket.once('close', () => connections.delete(connection))
  })
  await listen(server, path)
  server.on('error', (error) => options.onError?.(asFreshetError(error)))
  const close = async (): Promise<void> =>
    await new Promise((resolve) => {
      server.close(() => resolve())
      for (const connection of connections) connection.destroy()
    })
  return { path, close }
}

/** How long a command that broke the format may take to read why. */
const HANG_UP_MS_MAX = 2000

/** One command's connection. */
class ControlConnection {
  readonly #socket: Socket
  readonly #options: ControlServerOptions
  readonly #outbox: Outbox
  readonly #lines = new LineSplitter(CONTROL_LINE_BYTES_MAX)
  readonly #running = new Map<number, AbortController>()

  constructor(socket: Socket, options: ControlServerOptions) {
    this.#socket = socket
    this.#options = options
    this.#outbox = new Outbox(socket)
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('error', () => undefined) // 'close' follows and does the work
    socket.on('close', () => this.#abortAll())
  }

  destroy(): void {
    this.#abortAll()
    this.#socket.destroy()
  }

  #abortAll(): void {
    for (const controller of this.#running.values()) {
      controller.abort(new FreshetError('INTERRUPTED', 'the command closed its connection'))
    }
  }

  #read(chunk: Buffer): void {
    try {
      for (const line of this.#lines.push(chunk)) this.#take(line)
    } catch (error) {
      this.#hangUp(asFreshetError(error))
      return
    }
    if (this.#outbox.isBlocked) void this.#pause()
  }

  /** Says why, then ends. What still comes is read and dropped: unread bytes would reset the connection before the reply. */
  #hangUp(error: FreshetError): void {
    this.#abortAll()
    void this.#reply({ id: null, error })
    this.#socket.removeAllListeners('data')
    this.#socket.resume()
    this.#socket.end()
    const timer = setTimeout(() => this.#socket.destroy(), HANG_UP_MS_MAX)
    this.#socket.once('close', () => clearTimeout(timer))
  }

  /** A command that asks and does not read the answers is not read either. */
  async #pause(): Promise<void> {
    this.#socket.pause()
    await this.#outbox.settled()
    this.#socket.resume()
  }

  #take(line: string): void {
    const request = parseRequest(line)
    if (request.kind === 'cancel') {
      const controller = this.#running.get(request.id)
      this.#running.delete(request.id) // its place is free for the next line of the same command
      controller?.abort(new FreshetError('INTERRUPTED', 'the command cancelled it'))
      return
    }
    const { id, op, args } = request
    if (this.#running.has(id)) {
      throw new FreshetError('MESSAGE_MALFORMED', `the control socket: operation ${id} is still running`, { id })
    }
    const operation = Object.hasOwn(this.#options.operations, op) ? this.#options.operations[op] : undefined
    if (operation === undefined) {
      const error = new FreshetError('REQUEST_REFUSED', `the daemon has no operation ${JSON.stringify(op)}`, { op })
      void this.#reply({ id, error })
      return
    }
    if (this.#running.size >= CONTROL_OPERATIONS_MAX) {
      const message = `more than ${CONTROL_OPERATIONS_MAX} operations at once on one connection`
      void this.#reply({ id, error: new FreshetError('REQUEST_REFUSED', message) })
      return
    }
    void this.#run(id, operation, args)
  }

  /** Never rejects. An operation that obeys no signal is left to itself: its command is not kept waiting. */
  async #run(id: number, operation: ControlOperation, args: unknown): Promise<void> {
    const controller = new AbortController()
    const { signal } = controller
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    })
    aborted.catch(() => undefined) // the signal has told everybody who waits
    this.#running.set(id, controller)
    try {
      const result = await Promise.race([operation(args, this.#ioOf(id, controller)), aborted])
      await this.#reply({ id, result: result ?? null })
    } catch (error) {
      const known = asFreshetError(error)
      if (known.code === 'INTERNAL') this.#options.onError?.(known)
      await this.#reply({ id, error: known })
    }
    // Only now: an operation whose answer waits to be read still counts.
    if (this.#running.get(id) === controller) this.#running.delete(id)
    controller.abort()
  }

  #ioOf(id: number, controller: AbortController): ControlIo {
    const { signal } = controller
    const event = async (value: unknown): Promise<void> => {
      signal.throwIfAborted()
      if (this.#outbox.waiting >= CONTROL_EVENTS_MAX) {
        const message = `more than ${CONTROL_EVENTS_MAX} events wait for a command that does not read`
        controller.abort(new FreshetError('PEER_NOT_READING', message))
        signal.throwIfAborted()
      }
      await this.#reply({ id, event: value ?? null })
    }
    return {
      signal,
      progress: (update) => {
        if (signal.aborted || this.#outbox.isBlocked) return
        this.#reply({ id, progress: update ?? null }).catch((error: unknown) => controller.abort(error))
      },
      event: (value) => {
        const sent = event(value)
        sent.catch((error: unknown) => controller.abort(error)) // also where the operation does not await it
        return sent
      },
    }
  }

  /** @throws FreshetError REQUEST_REFUSED when it is too long; TypeError when it cannot be said as JSON. */
  async #reply(reply: ControlReply): Promise<void> {
    const line = JSON.stringify(reply)
    if (Buffer.byteLength(line) > CONTROL_REPLY_BYTES_MAX) {
      throw new FreshetError('REQUEST_REFUSED', `the answer is longer than ${CONTROL_REPLY_BYTES_MAX} bytes`)
    }
    await this.#outbox.send(line)
  }
}

/** The file of a daemon that died is in the way; one that answers is a live daemon's. */
async function removeStale(path: string): Promise<void> {
  const status = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw new FreshetError('IO_ERROR', `${path}: ${error.message}`, { path, errno: error.code ?? '' }, error)
  })
  if (status === null) return
  if (!status.isSocket())
    throw new FreshetError('REQUEST_REFUSED', `${path} is in the way: it is not a socket`, { path })
  if (await isAlive(path)) {
    throw new FreshetError('STORE_LOCKED', `a daemon already answers on ${path}`, { path })
  }
  await unlink(path)
}

async function isAlive(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    // Anything but a refusal (such as EACCES or a full backlog) means that somebody holds it.
    socket.once('error', (error: NodeJS.ErrnoException) =>
      resolve(!['ECONNREFUSED', 'ENOENT'].includes(error.code ?? '')),
    )
  })
}

async function listen(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const detail = { path, errno: error.code ?? '' }
      const code = error.code === 'EADDRINUSE' ? 'STORE_LOCKED' : 'IO_ERROR'
      reject(new FreshetError(code, `cannot listen on ${path}: ${error.message}`, detail, error))
    })
    server.listen({ path, exclusive: true }, () => {
      server.removeAllListeners('error')
      resolve()
    })
    // The file exists from here on; changing it before the loop turns leaves no connection that came in between unseen.
    if (server.listening) chmodSync(path, 0o600)
  })
}
