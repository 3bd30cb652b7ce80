/**
 * One TCP connection to a peer under Noise. It carries nothing before the decider of the pair says so on it (peer-lines.ts).
 *
 * The handshake is IK: the dialler knows whom it wants, nobody else can answer, and who does not know the key of a listener
 * learns nothing from it. A first message can be repeated by whoever saw it, so a line is open when its other end has said something.
 */
import { connect, type Socket } from 'node:net'
import NoiseSecretStream from '@hyperswarm/secret-stream'
import type { KeyPair } from '@hyperswarm/secret-stream'
import { FreshetError } from '../schemas/errors.ts'
import { LINE_KEEP_ALIVE_MS } from '../schemas/limits.ts'
import type { GuardedMux } from './guard.ts'
import { linesProtocol } from './line-frames.ts'

export interface TcpLineEvents {
  /** The other end is who it says. */
  onOpen(line: TcpLine): void
  onUse(line: TcpLine, turn: number): void
  /** Once, whatever ended it. */
  onClose(line: TcpLine): void
}

export class TcpLine {
  readonly stream: NoiseSecretStream
  readonly mux: GuardedMux
  readonly tcp = true
  readonly #session: ReturnType<typeof linesProtocol.open>

  constructor(mux: GuardedMux, events: TcpLineEvents) {
    this.mux = mux
    this.stream = mux.stream
    this.#session = linesProtocol.open(mux, {
      on: {
        listening: misplaced,
        unreached: misplaced,
        use: ({ turn }) => events.onUse(this, turn),
        lost: misplaced,
      },
      onclose: () => this.destroy(),
    })
    mux.stream.on('close', () => events.onClose(this))
    void this.#session?.opened().then((opened) => {
      if (opened && !mux.stream.destroying) events.onOpen(this)
    })
  }

  /** Tells the other end that bulk goes over this line. */
  use(turn: number): void {
    this.#session?.send.use({ turn })
  }

  destroy(): void {
    this.stream.destroy()
  }
}

/** The socket of a dial that is under way. @param host an IPv4 address. */
export function dialStream(host: string, port: number, keyPair: KeyPair, remotePublicKey: Buffer): NoiseSecretStream {
  const socket = tuned(connect({ host, port }))
  return new NoiseSecretStream(true, socket, { keyPair, remotePublicKey, pattern: 'IK' })
}

export function acceptStream(socket: Socket, keyPair: KeyPair): NoiseSecretStream {
  return new NoiseSecretStream(false, tuned(socket), { keyPair, pattern: 'IK' })
}

function tuned(socket: Socket): Socket {
  return socket.setNoDelay(true).setKeepAlive(true, LINE_KEEP_ALIVE_MS)
}

function misplaced(): never {
  throw new FreshetError('MESSAGE_MALFORMED', 'only the choice of a line is said on it')
}
