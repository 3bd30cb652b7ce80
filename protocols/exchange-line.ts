/**
 * The exchange channel of one connection, both directions: which bundles both take part in, and what is on its way.
 * Frames, order and rules: exchange-frames.ts.
 *
 * Owns: the numbers under which each side names a bundle, and the count of bytes sent and not reported as come. Words of one turn of the event
 * loop go out together; a block goes alone, because nothing of a frame is read before all of it has come.
 */
import { FreshetError } from '../schemas/errors.ts'
import {
  BUNDLES_DESCRIBED_MAX,
  BUNDLES_PER_PEER_MAX,
  HAVE_BLOCKS_MAX,
  HAVE_RUNS_MAX,
  LINE_ON_WAY_BYTES_MAX,
  PING_MS,
  ROUND_TRIP_MS,
  WANT_RUNS_MAX,
} from '../schemas/limits.ts'
import { numbersIn, runLists } from '../schemas/number-runs.ts'
import { NumberSet } from '../schemas/number-set.ts'
import type { KeyHex } from '../schemas/units.ts'
import type { BundleLine } from './bundle-line.ts'
import { exchangeProtocol, type OpenFrame } from './exchange-frames.ts'
import type { ExchangeWord } from './exchange/exchange-words.ts'
import type { Source } from './fetch-tally.ts'
import type { GuardedMux } from './guard.ts'
import { isSamePlace, type LineHost, type LineOptions } from './line-host.ts'
import { OnWay } from './on-way.ts'
import { OwedWord } from './owed-word.ts'
import type { ServedBlock, SharedBundle } from './shared-bundle.ts'

interface Link {
  /** Our number, and what we said with it; null: we have not opened. */
  ours: { readonly handle: number; readonly told: NumberSet; readonly wanted: Buffer } | null
  theirs: { readonly handle: number; readonly held: NumberSet; readonly wanted: NumberSet } | null
}

type Session = NonNullable<ReturnType<typeof exchangeProtocol.open>>

/** Null when the channel is open on this connection already. */
export function openExchangeLine(mux: GuardedMux, host: LineHost, options: LineOptions): ExchangeLine | null {
  const line = new ExchangeLine(mux, host, options)
  return line.open() ? line : null
}

export class ExchangeLine implements BundleLine {
  readonly id: number
  readonly key: KeyHex
  readonly source: Source
  roundTripMs: number = ROUND_TRIP_MS
  readonly #mux: GuardedMux
  readonly #host: LineHost
  readonly #options: LineOptions
  readonly #links = new Map<SharedBundle, Link>()
  readonly #theirs = new Map<number, SharedBundle>()
  readonly #describing = new Map<number, OpenFrame>()
  readonly #onWay = new OnWay()
  readonly #owed = new OwedWord()
  #mayReceive: boolean
  #session: Session | null = null
  #nextHandle = 0
  #isFlushing = false
  #pingedAtMs = Number.NEGATIVE_INFINITY

  constructor(mux: GuardedMux, host: LineHost, options: LineOptions) {
    this.#mux = mux
    this.#host = host
    this.#options = options
    this.id = options.id
    this.key = options.key
    this.source = options.source
    this.#mayReceive = options.mayReceive()
  }

  open(): boolean {
    const about = (handle: number, act: (bundle: SharedBundle) => void): void => {
      const bundle = this.#theirs.get(handle)
      if (bundle === undefined) return // crossed its end
      this.#checked(() => act(bundle))
      this.#host.wake()
    }
    const word = (handle: number, said: ExchangeWord, withLeaves = false): void =>
      about(handle, (bundle) => bundle.hear(this, said, withLeaves))
    this.#session = exchangeProtocol.open(this.#mux, {
      on: {
        open: (frame) => this.#heardOpen(frame),
        close: ({ handle }) => this.#heardClose(handle),
        decline: ({ handle }) => this.#heardDecline(handle),
        want: ({ handle, runs }) =>
          about(handle, (bundle) => {
            const pieces = numbersIn(runs, bundle.bundle.pieces, HAVE_BLOCKS_MAX)
            bundle.hear(this, { type: 'want', pieces }, false)
          }),
        have: ({ handle, runs }) =>
          about(handle, (bundle) => {
            const blocks = numbersIn(runs, bundle.bundle.blocks, HAVE_BLOCKS_MAX)
            bundle.hear(this, { type: 'have', blocks }, false)
          }),
        hand: ({ handle, piece }) => word(handle, { type: 'hand', piece }),
        expect: ({ handle, piece }) => word(handle, { type: 'expect', piece }),
        ask: ({ handle, piece, blocks }) => word(handle, { type: 'ask', piece, blocks }),
        askWithLeaves: ({ handle, piece, blocks }) => word(handle, { type: 'ask', piece, blocks }, true),
        cancel: ({ handle, piece, blocks }) => word(handle, { type: 'cancel', piece, blocks }),
        refuse: ({ handle, piece, blocks }) => word(handle, { type: 'refuse', piece, blocks }),
        leaves: ({ handle, piece, bytes }) => about(handle, (bundle) => bundle.heardLeaves(this, piece, bytes)),
        block: ({ handle, block, bytes }) => {
          this.#came(bytes.byteLength)
          about(handle, (bundle) => bundle.heardBlock(this, block, bytes))
        },
        got: ({ byteLength, atMs }) => this.#heardGot(byteLength, atMs),
        askLayer: ({ handle, file, first, count }) =>
          about(handle, (bundle) => bundle.heardAskLayer(this, file, first, count)),
        layer: ({ handle, file, first, bytes }) =>
          about(handle, (bundle) => bundle.heardLayer(this, file, first, bytes)),
        ping: ({ stamp }) => this.#send((session) => session.send.pong({ stamp })),
        pong: ({ stamp }) => this.#heardPong(stamp),
      },
      onclose: () => this.#closed(),
    })
    if (this.#session !== null) this.tick(this.#host.now())
    return this.#session !== null
  }

  get closed(): boolean {
    return this.#session?.closed !== false
  }

  /** Bytes sent, or about to be, of which no word came yet. */
  get onWayBytes(): number {
    return this.#onWay.byteLength
  }

  /** Nothing was heard of what was sent for so long that it is of no use to wait for it. */
  isLate(nowMs: number): boolean {
    return this.#onWay.isLate(nowMs)
  }

  hasRoom(byteLength: number): boolean {
    return !this.closed && !this.isLate(this.#host.now()) && this.#onWay.hasRoom(byteLength)
  }

  mayReceive(): boolean {
    return this.#options.mayReceive()
  }

  /** Tells the peer that this node takes part in a bundle; its own answer follows. */
  openBundle(bundle: SharedBundle): void {
    const link = this.#links.get(bundle) ?? { ours: null, theirs: null }
    if (link.ours !== null || this.closed) return
    const place = this.#host.placeOf(bundle)
    for (const [handle, frame] of this.#describing) {
      if (!isSamePlace(frame, place)) continue
      this.#describing.delete(handle)
      return this.#takePart(frame, bundle) // it talks of the bundle as soon as it hears of ours
    }
    this.#links.set(bundle, link)
    const { exchange } = bundle
    const told = this.mayReceive() ? exchange.opening() : new NumberSet(bundle.bundle.blocks)
    const handle = this.#nextHandle++
    const wanted = exchange.wanted.encode()
    link.ours = { handle, told, wanted }
    const { discoveryKey, block, part } = place
    const maps = { held: told.encode(), wanted }
    this.#send((session) => session.send.open({ handle, discoveryKey, block, part, ...maps }))
    this.#join(bundle, link)
  }

  /** Ends a bundle for both. */
  closeBundle(bundle: SharedBundle): void {
    this.#sayOf(bundle, ({ send }, handle) => send.close({ handle }))
    this.#unlink(bundle)
  }

  say(bundle: SharedBundle, word: ExchangeWord, withLeaves: boolean): void {
    const handle = this.#links.get(bundle)?.ours?.handle
    if (handle === undefined) return
    this.#send(({ send }) => {
      switch (word.type) {
        case 'want':
          for (const runs of runLists(ascending(word.pieces), HAVE_BLOCKS_MAX, WANT_RUNS_MAX))
            send.want({ handle, runs })
          return
        case 'have':
          for (const runs of runLists(ascending(word.blocks), HAVE_BLOCKS_MAX, HAVE_RUNS_MAX))
            send.have({ handle, runs })
          return
        case 'hand':
          return send.hand({ handle, piece: word.piece })
        case 'expect':
          return send.expect({ handle, piece: word.piece })
        case 'ask':
          return (withLeaves ? send.askWithLeaves : send.ask)({ handle, piece: word.piece, blocks: word.blocks })
        case 'cancel':
          return send.cancel({ handle, piece: word.piece, blocks: word.blocks })
        case 'refuse':
          return send.refuse({ handle, piece: word.piece, blocks: word.blocks })
      }
    })
  }

  askLayer(bundle: SharedBundle, file: number, first: number, count: number): void {
    this.#sayOf(bundle, (session, handle) => session.send.askLayer({ handle, file, first, count }))
  }

  sayLayer(bundle: SharedBundle, file: number, first: number, layer: Buffer | null): void {
    const isTaken = this.#mux.queuedBytes <= LINE_ON_WAY_BYTES_MAX // who does not read gets no more
    const bytes = layer !== null && isTaken ? layer : Buffer.alloc(0)
    this.#sayOf(bundle, (session, handle) => session.send.layer({ handle, file, first, bytes }))
  }

  blame(error: FreshetError): void {
    this.#options.onBlame(error)
  }

  /** Room for a block that is being read. */
  reserve(byteLength: number): void {
    this.#onWay.reserve(byteLength)
  }

  /** It could not be read. */
  release(byteLength: number): void {
    this.#onWay.release(byteLength)
  }

  /** Sends a block that was reserved for, unless the bundle was closed meanwhile. */
  sendBlock(bundle: SharedBundle, block: number, { bytes, leaves }: ServedBlock): void {
    this.#onWay.release(bytes.byteLength)
    const handle = this.#links.get(bundle)?.ours?.handle
    const session = this.#session
    if (handle === undefined || session === null || session.closed) return
    const piece = bundle.bundle.pieceOf(block)
    if (leaves !== null) this.#send(({ send }) => send.leaves({ handle, piece, bytes: leaves }))
    this.#flush()
    session.send.block({ handle, block, bytes })
    this.#onWay.sent(bytes.byteLength, this.#host.now())
    this.#options.onSent(bytes.byteLength)
  }

  tick(nowMs: number): void {
    if (this.mayReceive() !== this.#mayReceive) this.#beginAnew()
    if (this.#owed.isDue(nowMs)) this.#speak()
    if (nowMs - this.#pingedAtMs < PING_MS) return
    this.#pingedAtMs = nowMs
    this.#send((session) => session.send.ping({ stamp: Math.round(nowMs) }))
  }

  close(): void {
    this.#session?.close()
  }

  /** What was told of while the peer might have it, or not told of while it might not, is not so any more. */
  #beginAnew(): void {
    this.#mayReceive = this.mayReceive()
    for (const bundle of [...this.#links.keys()]) {
      this.closeBundle(bundle)
      if (bundle.isFetching) this.openBundle(bundle)
    }
  }

  #heardOpen(frame: OpenFrame): void {
    const { handle, discoveryKey, block, part } = frame
    if (this.#theirs.has(handle) || this.#describing.has(handle)) {
      throw new FreshetError('MESSAGE_MALFORMED', `bundle number ${handle} is in use`, { handle })
    }
    const count = this.#theirs.size + this.#describing.size
    if (count >= BUNDLES_PER_PEER_MAX || this.#describing.size >= BUNDLES_DESCRIBED_MAX) return this.#decline(handle)
    const found = this.#host.find(discoveryKey, { block, part })
    // At once where it can be: the words that follow in the same breath are about it.
    if (!(found instanceof Promise)) return this.#takePart(frame, found)
    this.#describing.set(handle, frame)
    void found.then((bundle) => {
      if (this.#describing.delete(handle) && !this.closed) this.#takePart(frame, bundle) // else closed meanwhile
    })
  }

  #takePart(frame: OpenFrame, bundle: SharedBundle | null): void {
    const { handle } = frame
    if (bundle?.isUseful !== true || !(bundle.isFetching || this.mayReceive())) return this.#decline(handle)
    this.#checked(() => {
      const link = this.#links.get(bundle) ?? { ours: null, theirs: null }
      if (link.theirs !== null) throw new RangeError('a bundle is opened twice')
      const held = NumberSet.decode(frame.held, bundle.bundle.blocks)
      const wanted = NumberSet.decode(frame.wanted, bundle.bundle.pieces)
      link.theirs = { handle, held, wanted }
      this.#theirs.set(handle, bundle)
      this.#links.set(bundle, link)
      if (link.ours === null) this.openBundle(bundle)
      else this.#join(bundle, link)
    })
    this.#host.wake()
  }

  #join(bundle: SharedBundle, { ours, theirs }: Link): void {
    if (ours === null || theirs === null) return
    const { held, wanted } = theirs
    const line = { roundTripMs: this.roundTripMs, givesLeaves: true, isNear: this.source.kind === 'lan' }
    bundle.join(this, { held, wanted, told: ours.told, ...line })
    const said = NumberSet.decode(ours.wanted, bundle.bundle.pieces)
    const pieces = [...bundle.exchange.wanted].filter((piece) => !said.has(piece))
    if (pieces.length > 0) this.say(bundle, { type: 'want', pieces }, false) // since we opened
  }

  #heardClose(handle: number): void {
    this.#describing.delete(handle)
    const bundle = this.#theirs.get(handle)
    if (bundle !== undefined) this.#unlink(bundle)
  }

  #heardDecline(handle: number): void {
    const [bundle] = [...this.#links].find(([, { ours }]) => ours?.handle === handle) ?? []
    bundle?.declined(this)
    if (bundle !== undefined) this.#unlink(bundle)
  }

  #unlink(bundle: SharedBundle): void {
    const link = this.#links.get(bundle)
    if (link === undefined) return
    this.#links.delete(bundle)
    if (link.theirs !== null) this.#theirs.delete(link.theirs.handle)
    bundle.leave(this)
    this.#host.wake()
  }

  #heardGot(byteLength: number, atMs: number): void {
    const acked = this.#onWay.acked(byteLength, atMs, this.#host.now())
    if (acked !== null) this.#host.acked(acked.byteLength, acked.waitedMs)
    this.#host.wake()
  }

  #heardPong(stamp: number): void {
    const tookMs = this.#host.now() - stamp
    if (tookMs < 0 || stamp !== Math.round(this.#pingedAtMs)) return // an answer to nothing
    this.roundTripMs = Math.max(1, tookMs)
    for (const [{ exchange }] of this.#links) {
      const partner = exchange.partners.get(this.id)
      if (partner !== undefined) partner.roundTripMs = this.roundTripMs
    }
  }

  #came(byteLength: number): void {
    this.#options.onCame(byteLength)
    if (this.#owed.came(byteLength, this.#host.now())) this.#speak()
  }

  #decline(handle: number): void {
    this.#send((session) => session.send.decline({ handle }))
  }

  #sayOf(bundle: SharedBundle, say: (session: Session, handle: number) => void): void {
    const handle = this.#links.get(bundle)?.ours?.handle
    if (handle !== undefined) this.#send((session) => say(session, handle))
  }

  /** With everything else that is said in this turn of the event loop. */
  #send(say: (session: Session) => void): void {
    const session = this.#session
    if (session === null || session.closed) return
    this.#speak()
    say(session)
  }

  /** Opens a batch for the words of this turn; what is owed goes with them. */
  #speak(): void {
    if (this.#isFlushing || this.closed) return
    this.#isFlushing = true
    this.#mux.cork()
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    if (!this.#isFlushing) return
    this.#isFlushing = false
    const owed = this.#owed.take()
    if (owed !== null) this.#session?.send.got(owed)
    this.#mux.uncork()
  }

  /** What names nothing of a bundle breaks the rules of the protocol: the connection ends. */
  #checked(act: () => void): void {
    try {
      act()
    } catch (error) {
      if (!(error instanceof RangeError) && !(error instanceof FreshetError)) throw error
      this.#mux.refuse(new FreshetError('MESSAGE_MALFORMED', `exchange: ${error.message}`, {}, error))
    }
  }

  #closed(): void {
    this.#flush()
    for (const bundle of [...this.#links.keys()]) this.#unlink(bundle)
    this.#theirs.clear()
    this.#describing.clear()
    this.#options.onClose()
  }
}

function ascending(numbers: readonly number[]): number[] {
  return [...numbers].sort((a, b) => a - b)
}
