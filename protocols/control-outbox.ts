/**
 * What one end of the control socket still has to say: in order, and no faster than the other end reads.
 *
 * Lines wait here, not in the socket's buffer, while the other end does not read. Sources: node:stream, net.Socket.
 */
import type { Socket } from 'node:net'
import { CONTROL_BUFFER_BYTES_MAX } from '../schemas/limits.ts'

export class Outbox {
  readonly #socket: Socket
  #tail: Promise<void> = Promise.resolve()
  #waiting = 0

  constructor(socket: Socket) {
    this.#socket = socket
  }

  /** Lines not handed to the socket yet. */
  get waiting(): number {
    return this.#waiting
  }

  get isBlocked(): boolean {
    return this.#waiting > 0 || this.#socket.writableLength > CONTROL_BUFFER_BYTES_MAX
  }

  /** Resolves when the line is on its way, or when the other end is gone; then nobody misses it. */
  send(line: string): Promise<void> {
    if (!this.isBlocked) {
      this.#write(line)
      return Promise.resolve()
    }
    this.#waiting += 1
    this.#tail = this.#tail.then(async () => {
      await this.#room()
      this.#waiting -= 1
      this.#write(line)
    })
    return this.#tail
  }

  /** Resolves when lines may be sent at once again. */
  async settled(): Promise<void> {
    await this.#tail
    await this.#room()
  }

  #write(line: string): void {
    if (this.#socket.writable) this.#socket.write(`${line}\n`)
  }

  async #room(): Promise<void> {
    while (this.#socket.writable && this.#socket.writableLength > CONTROL_BUFFER_BYTES_MAX) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#socket.off('drain', done)
          this.#socket.off('close', done)
          resolve()
        }
        this.#socket.on('drain', done)
        this.#socket.on('close', done)
      })
    }
  }
}
