/**
 * The TCP port for lines: takes sockets of addresses that a peer is connected from, and bounds those that have not shown who they are.
 *
 * Whoever is not connected is hung up on before a byte is read, so the port answers no stranger and tells nobody whose it is.
 * IPv4 only: lines are dialled at addresses of the DHT, which has no others.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { FreshetError } from '../schemas/errors.ts'
import { LINE_HANDSHAKE_BYTES_MAX, LINE_HANDSHAKES_MAX, LINE_HANDSHAKES_PER_ADDRESS_MAX } from '../schemas/limits.ts'
import { isLoopback } from './loopback.ts'

export interface LineListenerOptions {
  readonly host: string
  /** 0: any. */
  readonly port: number
  /** From accept to `settle`. */
  readonly handshakeMs: number
  isKnown(address: string): boolean
  onSocket(socket: Socket, address: string): void
}

interface Pending {
  readonly address: string
  readonly timer: NodeJS.Timeout
  readonly onData: () => void
}

export class LineListener {
  readonly #options: LineListenerOptions
  readonly #server: Server
  readonly #pending = new Map<Socket, Pending>()

  private constructor(options: LineListenerOptions) {
    this.#options = options
    this.#server = createServer((socket) => this.#accepted(socket))
  }

  /** @throws FreshetError ADDRESS_IN_USE or IO_ERROR. */
  static async open(options: LineListenerOptions): Promise<LineListener> {
    const listener = new LineListener(options)
    await listen(listener.#server, options)
    return listener
  }

  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0
  }

  /** Sockets that have not shown who they are. */
  get pending(): number {
    return this.#pending.size
  }

  /** The handshake of `socket` is over. */
  handshaken(socket: Socket): void {
    const pending = this.#pending.get(socket)
    if (pending !== undefined) socket.off('data', pending.onData)
  }

  /** Whoever is behind `socket` has shown it: from now on it is bounded by who it is. */
  settle(socket: Socket): void {
    this.handshaken(socket)
    clearTimeout(this.#pending.get(socket)?.timer)
    this.#pending.delete(socket)
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#pending.keys()) socket.destroy()
  }

  #accepted(socket: Socket): void {
    const address = socket.remoteAddress
    socket.on('error', () => undefined) // 'close' follows
    if (address === undefined || !this.#admits(address)) {
      socket.destroy()
      return
    }
    const timer = setTimeout(() => socket.destroy(), this.#options.handshakeMs)
    timer.unref()
    const onData = (): void => {
      if (socket.bytesRead > LINE_HANDSHAKE_BYTES_MAX) socket.destroy()
    }
    socket.on('data', onData)
    this.#pending.set(socket, { address, timer, onData })
    socket.on('close', () => this.settle(socket))
    this.#options.onSocket(socket, address)
  }

  #admits(address: string): boolean {
    if (!this.#options.isKnown(address) || this.#pending.size >= LINE_HANDSHAKES_MAX) return false
    if (isLoopback(address)) return true
    let sameAddress = 0
    for (const other of this.#pending.values()) if (other.address === address) sameAddress++
    return sameAddress < LINE_HANDSHAKES_PER_ADDRESS_MAX
  }
}

function listen(server: Server, { host, port }: LineListenerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE'
      const message = taken ? `TCP port ${port} is taken` : `cannot listen on TCP port ${port}: ${error.message}`
      const detail = { host, port, errno: error.code ?? '' }
      reject(new FreshetError(taken ? 'ADDRESS_IN_USE' : 'IO_ERROR', message, detail, error))
    })
    server.listen({ host, port, exclusive: true }, () => {
      server.removeAllListeners('error')
      server.on('error', () => undefined) // one accept that failed; the next may not
      resolve()
    })
  })
}
