/**
 * A second connection to each peer, over TCP, for bulk: UDX costs four times the processor time. Without one, bulk stays where it was.
 *
 * Owns: the port that is listened on, who may come in by it, and one PeerLines for each connection (rules: peer-lines.ts).
 * Takes a socket only from an address that a peer is connected from, and after the handshake only with the key of a peer that is
 * connected from that very address; a line ends with its connection. So the port serves nobody whom the swarm would not, and
 * what policy says of the address of a connection holds for its line.
 * A peer that breaks a rule on a line is reported as one that breaks it on the connection. One that is slow or does not read is
 * not: the way over TCP may be dead while the other is not, so only the line ends.
 */
import type { Socket } from 'node:net'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import type { KeyPair } from '@hyperswarm/secret-stream'
import { asFreshetError, type FreshetError } from '../schemas/errors.ts'
import { HANDSHAKE_MS, LINE_MS, LINE_RETRY_MS_MIN, LINE_TURN_MS } from '../schemas/limits.ts'
import { keyHex } from '../schemas/units.ts'
import { guardConnection, type GuardedMux } from './guard.ts'
import { LineListener } from './line-listener.ts'
import { PeerLines, type LineTimes } from './peer-lines.ts'
import type { Connection } from './swarm.ts'
import { acceptStream, dialStream } from './tcp-line.ts'

/** What carries bulk to a peer: a TCP line, or its Hyperswarm connection. */
export interface Line {
  readonly stream: NoiseSecretStream
  readonly mux: GuardedMux
  readonly tcp: boolean
}

export interface TcpLinesOptions {
  /** That of the swarm. */
  readonly keyPair: KeyPair
  /** IPv4 address to listen on. */
  readonly host: string
  /** 0: any; null: does not listen, and still dials. */
  readonly port: number | null
  /**
   * From now on bulk goes over `line`: bulk protocols are to be opened on its mux at once, as the other end does, and what is
   * open elsewhere is to be closed. Called once it is decided, and again after every change.
   */
  readonly onLine: (connection: Connection, line: Line) => void
  /** A peer broke a rule on a line; the line is closed already. */
  readonly onRefused?: (connection: Connection, error: FreshetError) => void
  /** It does not listen, and why. */
  readonly onTrouble?: (error: FreshetError) => void
  readonly now?: () => number
  readonly times?: Partial<LineTimes>
}

/** Of the way, not of the peer. */
const LOSSES = new Set(['PEER_NOT_READING', 'PEER_SLOW'])

const TIMES: LineTimes = {
  turnMs: LINE_TURN_MS,
  decideMs: LINE_MS,
  retryMs: LINE_RETRY_MS_MIN,
  handshakeMs: HANDSHAKE_MS,
}

export class TcpLines {
  readonly #options: TcpLinesOptions
  readonly #times: LineTimes
  readonly #now: () => number
  readonly #peers = new Map<Connection, PeerLines>()
  #listener: LineListener | null = null

  private constructor(options: TcpLinesOptions) {
    this.#options = options
    this.#times = { ...TIMES, ...options.times }
    this.#now = options.now ?? (() => performance.now())
  }

  /** Never rejects: what cannot listen dials. */
  static async open(options: TcpLinesOptions): Promise<TcpLines> {
    const lines = new TcpLines(options)
    if (options.port !== null) await lines.#listen(options.port)
    return lines
  }

  /** 0: does not listen. */
  get port(): number {
    return this.#listener?.port ?? 0
  }

  /** Sockets that have not shown who they are. */
  get pending(): number {
    return this.#listener?.pending ?? 0
  }

  /** Peers whose bulk goes over TCP. */
  get tcpCount(): number {
    let count = 0
    for (const peer of this.#peers.values()) if (peer.tcp) count++
    return count
  }

  /** Once for each connection, in the turn in which it is made: the other end opens a channel then. */
  link(connection: Connection): void {
    const { keyPair, onLine } = this.#options
    const { stream } = connection
    const remoteKey = stream.remotePublicKey
    if (remoteKey === null) return // a connection that never was
    const peer = new PeerLines(connection, {
      port: this.port,
      decides: Buffer.compare(keyPair.publicKey, remoteKey) < 0,
      times: this.#times,
      now: this.#now,
      dial: (host, port) => this.#guard(dialStream(host, port, keyPair, remoteKey), () => connection),
      onCarrier: (line) => onLine(connection, line ?? { stream, mux: connection.mux, tcp: false }),
    })
    this.#peers.set(connection, peer)
    stream.on('close', () => this.#peers.delete(connection))
  }

  /** Ends every line; connections stay. */
  close(): void {
    this.#listener?.close()
    for (const peer of this.#peers.values()) peer.close()
  }

  async #listen(port: number): Promise<void> {
    try {
      this.#listener = await LineListener.open({
        host: this.#options.host,
        port,
        handshakeMs: this.#times.handshakeMs,
        isKnown: (address) => [...this.#peers.keys()].some((connection) => hostOf(connection) === address),
        onSocket: (socket, address) => this.#accepted(socket, address),
      })
    } catch (error) {
      this.#options.onTrouble?.(asFreshetError(error))
    }
  }

  #accepted(socket: Socket, address: string): void {
    const stream = acceptStream(socket, this.#options.keyPair)
    let connection: Connection | null = null
    const mux = this.#guard(stream, () => connection)
    // Before any frame is seen, so that the channel is there when the dialler's open arrives.
    stream.once('connect', () => {
      this.#listener?.handshaken(socket)
      connection = this.#connectionOf(stream.remotePublicKey, address)
      const peer = connection === null ? undefined : this.#peers.get(connection)
      if (peer === undefined) stream.destroy()
      else peer.accept(mux, () => this.#listener?.settle(socket))
    })
  }

  /** The newest one: a peer that connects anew dials for that. */
  #connectionOf(remoteKey: Buffer | null, address: string): Connection | null {
    if (remoteKey === null) return null
    const key = keyHex(remoteKey)
    const ofPeer = [...this.#peers.keys()].filter((one) => one.remoteKey === key && hostOf(one) === address)
    return ofPeer.at(-1) ?? null
  }

  /** @param connectionOf null: nobody that we know, yet. */
  #guard(stream: NoiseSecretStream, connectionOf: () => Connection | null): GuardedMux {
    return guardConnection(stream, {
      now: this.#now,
      onRefused: (error) => {
        const connection = connectionOf()
        if (connection !== null && !LOSSES.has(error.code)) this.#options.onRefused?.(connection, error)
      },
    })
  }
}

function hostOf({ stream }: Connection): string | null {
  return stream.rawStream.remoteHost ?? null
}
