/**
 * mDNS on one interface: announces this node, answers who asks for it, asks for others, and hands on what is heard.
 *
 * Owns the socket, and when something is sent: answers at most once a second, questions ever more rarely (RFC 6762, sections 5.2 and
 * 6). Packets are bounded before they are parsed: their size, their rate, and where they come from. Never throws: an interface that
 * does not do multicast is one on which nobody is found.
 */
import { createSocket, type RemoteInfo } from 'node:dgram'
import multicastDns, { type DnsPacket, type MulticastDns } from 'multicast-dns'
import {
  LAN_ANSWER_MS,
  LAN_BYTES_PER_S_MAX,
  LAN_PACKET_BYTES_MAX,
  LAN_PACKET_COST_BYTES,
  LAN_QUERY_MS_MAX,
  LAN_QUERY_MS_MIN,
} from '../../schemas/limits.ts'
import { RateLimit } from '../rate-limit.ts'
import { asksFor, type FoundService, LAN_QUERY, type LanService, recordsOf, servicesIn } from './services.ts'

export interface LanLinkOptions {
  /** IPv4 address of the interface. */
  readonly host: string
  /** That of mDNS, but in tests. */
  readonly mdnsPort: number
  /** Whether an address is on this link. */
  readonly isNear: (host: string) => boolean
  readonly onFound: (service: FoundService, host: string) => void
  readonly onTrouble: (error: Error) => void
}

export class LanLink {
  readonly #options: LanLinkOptions
  readonly #dns: MulticastDns
  readonly #rate = new RateLimit(LAN_BYTES_PER_S_MAX)
  #service: LanService | null = null
  #isReady = false
  #answerTimer: NodeJS.Timeout | null = null
  #answeredAtMs = Number.NEGATIVE_INFINITY
  #queryTimer: NodeJS.Timeout | null = null
  #queryMs = LAN_QUERY_MS_MIN
  #isClosed = false

  constructor(options: LanLinkOptions) {
    this.#options = options
    const socket = createSocket({ type: 'udp4', reuseAddr: true })
    const emit = socket.emit.bind(socket)
    // Before the library parses it.
    socket.emit = (event: string, ...values: unknown[]): boolean =>
      event === 'message' && !this.#admits(values[0] as Buffer, values[1] as RemoteInfo)
        ? false
        : emit(event, ...values)
    // Bound to the address of the interface, Linux would deliver nothing that is sent to a group.
    this.#dns = multicastDns({ socket, port: options.mdnsPort, interface: options.host, bind: '0.0.0.0' })
    this.#dns.on('error', (error) => this.#fail(error))
    this.#dns.on('warning', () => {}) // what is not DNS, and what cannot be sent: the next question comes
    this.#dns.on('ready', () => this.#opened())
    this.#dns.on('query', (packet) => this.#asked(packet))
    this.#dns.on('response', (packet, from) => {
      for (const service of servicesIn(packet)) options.onFound(service, from.address)
    })
  }

  /** From now on this is what is announced. */
  announce(service: LanService): void {
    this.#forget()
    this.#service = service
    this.#answerSoon()
  }

  /** Asks again, as if this node had just come: somebody may have come meanwhile, or is gone. */
  ask(): void {
    this.#queryMs = LAN_QUERY_MS_MIN
    this.#askLater(LAN_QUERY_MS_MIN)
  }

  close(): void {
    if (this.#isClosed) return
    const service = this.#service
    this.#end()
    if (service === null || !this.#isReady) this.#dns.destroy()
    else this.#dns.respond(recordsOf(service, true), () => this.#dns.destroy())
  }

  #end(): void {
    this.#isClosed = true
    for (const timer of [this.#answerTimer, this.#queryTimer]) if (timer !== null) clearTimeout(timer)
  }

  #fail(error: Error): void {
    if (this.#isClosed) return
    this.#end()
    this.#dns.destroy()
    this.#options.onTrouble(error)
  }

  #opened(): void {
    if (this.#isClosed) return
    this.#isReady = true
    this.#answerSoon()
    this.#query()
  }

  #admits(message: Buffer, { address }: RemoteInfo): boolean {
    const nowMs = performance.now()
    const cost = Math.max(message.byteLength, LAN_PACKET_COST_BYTES)
    if (message.byteLength > LAN_PACKET_BYTES_MAX || this.#rate.delayMs(cost, nowMs) > 0) return false
    if (!this.#options.isNear(address)) return false
    this.#rate.spend(cost, nowMs)
    return true
  }

  #asked(packet: DnsPacket): void {
    if (this.#service !== null && asksFor(packet, this.#service)) this.#answerSoon()
  }

  /** With a little delay, because others answer the same question. */
  #answerSoon(): void {
    if (this.#answerTimer !== null || !this.#isReady || this.#isClosed) return
    const pauseMs = Math.max(this.#answeredAtMs + LAN_ANSWER_MS - performance.now(), 0)
    this.#answerTimer = setTimeout(
      () => {
        this.#answerTimer = null
        this.#answeredAtMs = performance.now()
        if (this.#service !== null) this.#dns.respond(recordsOf(this.#service))
      },
      pauseMs + 20 + Math.random() * 100,
    ).unref()
  }

  #forget(): void {
    if (this.#service !== null && this.#isReady) this.#dns.respond(recordsOf(this.#service, true))
    this.#service = null
  }

  #query(): void {
    this.#dns.query(LAN_QUERY)
    this.#askLater(this.#queryMs)
    this.#queryMs = Math.min(this.#queryMs * 2, LAN_QUERY_MS_MAX)
  }

  #askLater(delayMs: number): void {
    if (this.#isClosed || !this.#isReady) return
    if (this.#queryTimer !== null) clearTimeout(this.#queryTimer)
    this.#queryTimer = setTimeout(() => this.#query(), delayMs).unref()
  }
}
