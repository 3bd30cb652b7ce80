/**
 * A command's end of the control socket.
 *
 * Refuses to talk to a socket that belongs to another user. The wire format is in control-wire.ts.
 */
import { lstat } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import { CONTROL_LINE_BYTES_MAX, CONTROL_REPLY_BYTES_MAX } from '../schemas/limits.ts'
import { checkSocketPath, isTrustedOwner } from './control-path.ts'
import { errorFromWire, LineSplitter, parseReply } from './control-wire.ts'

export interface ControlCallOptions {
  readonly onProgress?: (update: unknown) => void
  readonly onEvent?: (value: unknown) => void
  /** Cancels the operation; the call rejects with INTERRUPTED at once. */
  readonly signal?: AbortSignal
}

export interface ControlClient {
  /** @throws FreshetError what the operation threw, or DAEMON_UNREACHABLE when the daemon is gone. */
  call(op: string, args: unknown, options?: ControlCallOptions): Promise<unknown>
  /** Ends the connection; the daemon then cancels what still runs. */
  close(): Promise<void>
}

/**
 * @returns null when no daemon listens there.
 * @throws FreshetError DAEMON_UNREACHABLE when one may, but cannot be talked to.
 */
export async function connectControl(path: string): Promise<ControlClient | null> {
  checkSocketPath(path)
  try {
    const { uid } = await lstat(path)
    if (!isTrustedOwner(uid)) {
      throw new FreshetError('DAEMON_UNREACHABLE', `${path} belongs to another user`, { path, uid })
    }
    return new SocketClient(path, await open(path))
  } catch (error) {
    if (error instanceof FreshetError) throw error
    const { code = '', message } = error as NodeJS.ErrnoException
    if (['ENOENT', 'ENOTDIR', 'ECONNREFUSED'].includes(code)) return null
    throw new FreshetError('DAEMON_UNREACHABLE', `${path}: ${message}`, { path, errno: code }, error)
  }
}

async function open(path: string): Promise<Socket> {
  return await new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}

interface Call {
  readonly options: ControlCallOptions
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
}

class SocketClient implements ControlClient {
  readonly #path: string
  readonly #socket: Socket
  readonly #lines = new LineSplitter(CONTROL_REPLY_BYTES_MAX)
  readonly #calls = new Map<number, Call>()
  #nextId = 1

  constructor(path: string, socket: Socket) {
    this.#path = path
    this.#socket = socket
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('error', () => undefined) // 'close' follows and does the work
    socket.on('close', () => this.#failAll(this.#unreachable()))
  }

  async call(op: string, args: unknown, options: ControlCallOptions = {}): Promise<unknown> {
    const { signal } = options
    if (signal?.aborted === true) throw new FreshetError('INTERRUPTED', `${op} was cancelled before it began`)
    if (!this.#socket.writable) throw this.#unreachable()
    const id = this.#nextId++
    const line = JSON.stringify({ id, op, args })
    if (Buffer.byteLength(line) > CONTROL_LINE_BYTES_MAX) {
      throw new FreshetError(
        'REQUEST_REFUSED',
        `the arguments of ${op} are longer than ${CONTROL_LINE_BYTES_MAX} bytes`,
      )
    }
    const onAbort = (): void => this.#cancel(id, new FreshetError('INTERRUPTED', `${op} was cancelled`))
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      return await new Promise((resolve, reject) => {
        this.#calls.set(id, { options, resolve, reject })
        this.#socket.write(`${line}\n`)
      })
    } finally {
      signal?.removeEventListener('abort', onAbort)
      this.#calls.delete(id)
    }
  }

  async close(): Promise<void> {
    if (this.#socket.closed) return
    await new Promise<void>((resolve) => {
      this.#socket.once('close', () => resolve())
      this.#socket.destroySoon()
    })
  }

  #read(chunk: Buffer): void {
    try {
      for (const line of this.#lines.push(chunk)) this.#take(line)
    } catch (error) {
      this.#failAll(asFreshetError(error))
      this.#socket.destroy()
    }
  }

  #take(line: string): void {
    const reply = parseReply(line)
    if (reply.id === null) throw 'error' in reply ? errorFromWire(reply.error) : this.#unreachable()
    const call = this.#calls.get(reply.id)
    if (call === undefined) return // cancelled here before the daemon knew
    if ('result' in reply) call.resolve(reply.result)
    else if ('error' in reply) call.reject(errorFromWire(reply.error))
    else this.#report(reply.id, call, reply)
  }

  /** A command whose own handler throws is done with this operation. */
  #report(id: number, { options }: Call, reply: { progress: unknown } | { event: unknown }): void {
    try {
      if ('progress' in reply) options.onProgress?.(reply.progress)
      else options.onEvent?.(reply.event)
    } catch (error) {
      this.#cancel(id, error)
    }
  }

  #cancel(id: number, error: unknown): void {
    const call = this.#calls.get(id)
    if (call === undefined) return
    this.#calls.delete(id)
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify({ id, cancel: true })}\n`)
    call.reject(error)
  }

  #failAll(error: FreshetError): void {
    for (const call of this.#calls.values()) call.reject(error)
    this.#calls.clear()
  }

  #unreachable(): FreshetError {
    return new FreshetError('DAEMON_UNREACHABLE', `the daemon closed the connection on ${this.#path}`, {
      path: this.#path,
    })
  }
}
