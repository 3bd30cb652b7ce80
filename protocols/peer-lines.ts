/**
 * The TCP lines of one connected peer: who dials whom when, and what carries bulk.
 *
 * One end alone decides: the one with the smaller public key. The other follows, so the two cannot disagree for longer than word
 * takes. The decider says `use` on the very mux it means, then opens bulk protocols there; the follower hears it on that mux and
 * opens them before their opens arrive. That holds whatever crosses, on however many sockets:
 * - The decider takes the first line that opens, whoever dialled it, and closes every other, so two dials leave one line.
 * - Decisions are numbered. A `use` that was overtaken on another mux by a later one is passed over.
 * - A line that ends on the decider's side is followed by `use` on the connection. The follower closes a line it is moved from.
 * - A line that ends only on the follower's side (a NAT forgot it) is reported with the number of its turn: a report about an
 *   older line changes nothing.
 * Dials: the decider at once. The follower after LINE_TURN_MS, and whenever it is told that the decider's dial came to nothing;
 * then it answers with a line or with `unreached`. When both came to nothing, the connection is used. The decider waits at most
 * LINE_MS before it uses the connection; a line that opens later is taken up then. Lost lines are tried for again, by the decider.
 */
import { isIPv4 } from 'node:net'
import { FreshetError } from '../schemas/errors.ts'
import {
  LINE_RETRY_MS_MAX,
  LINE_DIALS_MAX,
  LINE_TURNS_BURST,
  LINES_IDLE_PER_PEER_MAX,
  PORT_MAX,
} from '../schemas/limits.ts'
import type { GuardedMux } from './guard.ts'
import { linesProtocol } from './line-frames.ts'
import type { Connection } from './swarm.ts'
import { TcpLine, type TcpLineEvents } from './tcp-line.ts'

/** Instead of the bounds in schemas/wire-limits.ts of these names. */
export interface LineTimes {
  readonly turnMs: number
  readonly decideMs: number
  readonly retryMs: number
  readonly handshakeMs: number
}

export interface PeerLinesOptions {
  /** TCP port of this node; 0: none. */
  readonly port: number
  /** Whether this end decides. */
  readonly decides: boolean
  readonly times: LineTimes
  readonly now: () => number
  /** The guarded stream of a dial; its handshake need not be over. */
  dial(host: string, port: number): GuardedMux
  /** What carries bulk from now on. */
  onCarrier(line: TcpLine | null): void
}

type Carrier = TcpLine | 'connection' | 'undecided'

export class PeerLines {
  readonly #connection: Connection
  readonly #options: PeerLinesOptions
  readonly #control: ReturnType<typeof linesProtocol.open>
  readonly #linkedAtMs: number
  readonly #lines = new Set<TcpLine>()
  #theirPort: number | null = null
  #carrier: Carrier = 'undecided'
  #turn = 0
  #carriedAtMs = 0
  #dialled: TcpLine | null = null
  #dialledAtMs = Number.NEGATIVE_INFINITY
  #dialTimer: NodeJS.Timeout | null = null
  /** Since a line last stood for long. */
  #dials = 0
  /** What became of the dials of this round. */
  #failedHere = false
  #failedThere = false
  /** The follower's turn to dial; the decider's patience, then its pause between two rounds. */
  #timer: NodeJS.Timeout | null = null
  #ended = false

  constructor(connection: Connection, options: PeerLinesOptions) {
    this.#connection = connection
    this.#options = options
    this.#linkedAtMs = options.now()
    this.#control = linesProtocol.open(connection.mux, {
      on: {
        listening: ({ port }) => this.#onListening(port),
        unreached: () => this.#onUnreached(),
        use: ({ turn }) => this.#onUse('connection', turn),
        lost: ({ turn }) => this.#onLost(turn),
      },
      onclose: () => this.#onSilence(),
    })
    connection.stream.on('close', () => this.close())
    this.#control?.send.listening({ port: options.port })
    if (options.decides) this.#after(options.times.decideMs, () => this.#stopWaiting())
  }

  get tcp(): boolean {
    return this.#carrier instanceof TcpLine
  }

  /** Takes a line that the peer dialled. @param onOpen its other end is who it says. */
  accept(mux: GuardedMux, onOpen: () => void): void {
    let idle = 0
    for (const line of this.#lines) if (line !== this.#dialled && line !== this.#carrier) idle++
    if (this.#ended || idle >= LINES_IDLE_PER_PEER_MAX) {
      mux.stream.destroy()
      return
    }
    this.#add(mux, onOpen)
  }

  /** Nothing carries bulk any more: the connection is closed, or lines are. */
  close(): void {
    this.#ended = true
    this.#clearTimers()
    for (const line of this.#lines) line.destroy()
  }

  #onListening(port: number): void {
    requireThat(this.#theirPort === null && port <= PORT_MAX, `listening on ${port}`)
    this.#theirPort = port
    if (this.#options.decides) this.#startRound()
    else this.#after(this.#options.times.turnMs, () => this.#takeTurn())
  }

  /** The peer does not speak this protocol, or not any more: the connection carries everything. */
  #onSilence(): void {
    if (this.#ended || this.#connection.stream.destroying) return
    this.close()
    if (this.#carrier !== 'connection') this.#carry('connection')
  }

  #startRound(): void {
    this.#failedHere = false
    this.#failedThere = false
    this.#dial()
  }

  #takeTurn(): void {
    if (this.#carrier === 'undecided' && this.#dialled === null) this.#dial()
  }

  #dial(): void {
    this.#dials++
    const host = this.#connection.stream.rawStream.remoteHost ?? ''
    const port = this.#theirPort ?? 0
    if (port === 0 || !isIPv4(host)) return this.#onDialFailed()
    this.#dialledAtMs = this.#options.now()
    const line = this.#add(this.#options.dial(host, port), () => this.#clearDialTimer())
    this.#dialled = line
    this.#dialTimer = setTimeout(() => line.destroy(), this.#options.times.handshakeMs)
    this.#dialTimer.unref()
  }

  #onDialFailed(): void {
    this.#dialled = null
    this.#clearDialTimer()
    if (this.tcp) return
    this.#control?.send.unreached({})
    this.#failedHere = true
    this.#settleRound()
  }

  #onUnreached(): void {
    if (this.#options.decides) {
      this.#failedThere = true
      this.#settleRound()
    } else if (this.#dialled === null && !this.tcp) {
      // Each is a socket to wherever the peer's address and its word lead: no more and no more often than honest rounds need.
      const tooSoon = this.#options.now() - this.#dialledAtMs < this.#options.times.retryMs / 2
      if (tooSoon || this.#dials >= LINE_DIALS_MAX) this.#control?.send.unreached({})
      else this.#dial()
    }
  }

  #settleRound(): void {
    if (!this.#options.decides || !this.#failedHere || !this.#failedThere || this.tcp) return
    if (this.#carrier === 'undecided') this.#decide('connection')
    this.#scheduleRound()
  }

  /** The first dial goes on; what is on its way to the peer does not wait for it. */
  #stopWaiting(): void {
    if (this.#carrier === 'undecided') this.#decide('connection')
    if (this.#failedHere && this.#failedThere) this.#scheduleRound()
  }

  #scheduleRound(): void {
    if (this.#timer !== null || this.#dials >= LINE_DIALS_MAX) return
    const pauseMs = Math.min(this.#options.times.retryMs * 2 ** Math.max(0, this.#dials - 1), LINE_RETRY_MS_MAX)
    this.#after(pauseMs, () => this.#startRound())
  }

  #add(mux: GuardedMux, onOpen: () => void): TcpLine {
    const events: TcpLineEvents = {
      onOpen: (line) => {
        onOpen()
        this.#onOpen(line)
      },
      onUse: (line, turn) => this.#onUse(line, turn),
      onClose: (line) => this.#onClose(line),
    }
    const line = new TcpLine(mux, events)
    this.#lines.add(line)
    return line
  }

  #onOpen(line: TcpLine): void {
    if (!this.#options.decides) return
    if (this.#ended || this.tcp) line.destroy()
    else this.#decide(line)
  }

  #decide(carrier: TcpLine | 'connection'): void {
    this.#turn++
    const turn = this.#turn
    if (carrier === 'connection') this.#control?.send.use({ turn })
    else carrier.use(turn)
    this.#carry(carrier)
  }

  #onUse(carrier: TcpLine | 'connection', turn: number): void {
    requireThat(!this.#options.decides, 'the larger key decides nothing')
    if (this.#ended || turn <= this.#turn) return
    const { now, times } = this.#options
    const allowed = LINE_TURNS_BURST + (2 * (now() - this.#linkedAtMs)) / times.retryMs
    requireThat(turn <= allowed, `decision ${turn} of at most ${Math.floor(allowed)}`)
    this.#turn = turn
    this.#carry(carrier)
  }

  /** A line that carried bulk is closed, and when another one does, all the others are. */
  #carry(carrier: TcpLine | 'connection'): void {
    const before = this.#carrier
    if (before instanceof TcpLine) this.#countLine()
    this.#carrier = carrier
    this.#carriedAtMs = this.#options.now()
    if (carrier === 'connection') {
      if (before instanceof TcpLine) before.destroy()
    } else {
      this.#dialled = null
      this.#clearTimers()
      for (const line of this.#lines) if (line !== carrier) line.destroy()
    }
    this.#options.onCarrier(carrier === 'connection' ? null : carrier)
  }

  #onClose(line: TcpLine): void {
    this.#lines.delete(line)
    if (this.#ended) return
    if (line === this.#dialled) this.#onDialFailed()
    else if (line === this.#carrier) this.#onCarrierClosed()
  }

  #onCarrierClosed(): void {
    this.#countLine()
    this.#carrier = 'undecided'
    if (!this.#options.decides) {
      this.#control?.send.lost({ turn: this.#turn })
      return
    }
    this.#decide('connection')
    this.#scheduleRound()
  }

  /** The line that carried bulk is over. */
  #countLine(): void {
    if (this.#options.now() - this.#carriedAtMs >= LINE_RETRY_MS_MAX) this.#dials = 0
  }

  #onLost(turn: number): void {
    requireThat(this.#options.decides, 'a loss is the business of the smaller key')
    if (this.#carrier instanceof TcpLine && turn === this.#turn) this.#carrier.destroy()
  }

  #after(delayMs: number, run: () => void): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#timer = null
      run()
    }, delayMs)
    this.#timer.unref()
  }

  #clearDialTimer(): void {
    if (this.#dialTimer !== null) clearTimeout(this.#dialTimer)
    this.#dialTimer = null
  }

  #clearTimers(): void {
    this.#clearDialTimer()
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }
}

function requireThat(holds: boolean, what: string): void {
  if (!holds) throw new FreshetError('MESSAGE_MALFORMED', `lines: ${what}`)
}
