/**
 * A crowd in one process: nodes that run the real exchange (protocols/exchange/), lines between them, and a clock of their own.
 *
 * A line is a rate each way and a delay: what a node sends waits for its uplink, travels, and waits for the taker's downlink. Words go ahead of
 * blocks, as they do on the network. Not modelled: loss, congestion control, and queues in between, which is what the
 * benchmark over real links is for.
 */
import { Bundle, type BundleFile } from '../../schemas/bundle.ts'
import { NumberSet } from '../../schemas/number-set.ts'
import type { ExchangeWord } from '../../protocols/exchange/exchange-words.ts'
import { Exchange } from '../../protocols/exchange/exchange.ts'
import type { Line } from './bound.ts'
import { EventQueue } from './event-queue.ts'
import { HOSTILE_RATES, HostilePeer, type HostileKind } from './hostile.ts'
import { randomFrom } from './random.ts'
import { HonestPeer, type SimPeer, type Verdict } from './sim-peer.ts'

/** Bytes on the wire for one byte of payload: IP, UDP, UDX and Noise headers on packets of 1,200 bytes. */
const HEADER_FACTOR = 1.046
const WORD_BYTES = 48
const BLOCK_WORD_BYTES = 24
const TICK_MS = 50

export interface WorldOptions {
  readonly seed: number
  readonly files: readonly BundleFile[]
  /** The first is the origin. */
  readonly lines: readonly Line[]
  /** Milliseconds from any node to any other. */
  readonly delayMs: number
  /** Peers that each node has at least, and the origin too. */
  readonly degree: number
  /** Taker number (from 1) → when it disappears. */
  readonly leaves?: ReadonlyMap<number, number>
  /** Taker number (from 1) → how it harms. */
  readonly hostile?: ReadonlyMap<number, HostileKind>
}

export interface Outcome {
  /** Of each honest taker that stayed; infinite when it never had everything. */
  readonly finishedAtMs: readonly number[]
  readonly originBytes: number
  readonly sentBytes: number
  readonly largestUploadBytes: number
  readonly words: number
  /** Bytes of blocks that reached honest nodes, and those of them that were wrong, or here already. */
  readonly arrivedBytes: number
  readonly wastedBytes: number
  /** Honest nodes that an honest node dropped. */
  readonly honestDropped: number
  /** FNV-1a over every delivery: the same seed must give the same. */
  readonly trace: number
}

interface Node {
  readonly peer: SimPeer
  readonly line: Line
  upFreeAtMs: number
  downFreeAtMs: number
  pumping: boolean
  sentBytes: number
  finishedAtMs: number
  gone: boolean
}

/** Runs until every honest node has everything, or nothing has happened for a virtual hour. */
export function simulate(options: WorldOptions): Outcome {
  return new World(options).run()
}

class World {
  readonly #options: WorldOptions
  readonly #bundle: Bundle
  readonly #events = new EventQueue()
  readonly #random: () => number
  readonly #nodes: Node[]
  #unfinished: number
  #words = 0
  #arrivedBytes = 0
  #wastedBytes = 0
  #honestDropped = 0
  #trace = 0x811c9dc5

  constructor(options: WorldOptions) {
    this.#options = options
    this.#bundle = new Bundle(options.files)
    this.#random = randomFrom(options.seed)
    this.#nodes = options.lines.map((line, index) => this.#node(line, index))
    this.#unfinished = this.#nodes.filter(({ peer }) => !peer.isComplete).length
  }

  run(): Outcome {
    this.#connect()
    for (const [index, node] of this.#nodes.entries()) this.#tick(node, index)
    for (const [taker, atMs] of this.#options.leaves ?? []) this.#events.add(atMs, () => this.#leave(taker))
    while (this.#unfinished > 0 && this.#events.nowMs < 3_600_000 && this.#events.step());
    const [origin, ...takers] = this.#nodes
    const honest = takers.filter(({ peer }) => peer.isHonest)
    return {
      finishedAtMs: honest.filter(({ gone }) => !gone).map(({ finishedAtMs }) => finishedAtMs),
      originBytes: origin?.sentBytes ?? 0,
      sentBytes: this.#nodes.reduce((sum, { peer, sentBytes }) => sum + (peer.isHonest ? sentBytes : 0), 0),
      largestUploadBytes: Math.max(0, ...honest.map(({ sentBytes }) => sentBytes)),
      words: this.#words,
      arrivedBytes: this.#arrivedBytes,
      wastedBytes: this.#wastedBytes,
      honestDropped: this.#honestDropped,
      trace: this.#trace >>> 0,
    }
  }

  #node(line: Line, index: number): Node {
    const idle = { upFreeAtMs: 0, downFreeAtMs: 0, pumping: false, sentBytes: 0, gone: false }
    const state = { ...idle, finishedAtMs: Number.POSITIVE_INFINITY }
    const kind = this.#options.hostile?.get(index)
    if (kind === undefined) return { peer: this.#honest(index), line, ...state }
    const peer = new HostilePeer(kind, this.#bundle, (to, word) => this.#say(index, to, word))
    return { peer, line: { ...line, up: HOSTILE_RATES[kind] ?? line.up }, ...state }
  }

  #honest(index: number): HonestPeer {
    const bundle = this.#bundle
    const exchange = new Exchange({
      bundle,
      held: index === 0 ? NumberSet.full(bundle.blocks) : new NumberSet(bundle.blocks),
      wanted: index === 0 ? new NumberSet(bundle.pieces) : NumberSet.full(bundle.pieces),
      isOrigin: index === 0,
      say: (to, word) => this.#say(index, to, word),
      mayAsk: () => true,
      urgent: () => [],
      random: this.#random,
    })
    return new HonestPeer(exchange)
  }

  #connect(): void {
    const { length } = this.#nodes
    const degrees = this.#nodes.map(() => 0)
    for (let index = 0; index < length; index++) {
      while ((degrees[index] ?? 0) < Math.min(this.#options.degree, length - 1)) {
        const other = Math.floor(this.#random() * length)
        if (other === index || this.#nodes[index]?.peer.knows(other)) continue
        this.#link(index, other)
        for (const end of [index, other]) degrees[end] = (degrees[end] ?? 0) + 1
      }
    }
  }

  #link(a: number, b: number): void {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const [node, peer] = [this.#nodes[from], this.#nodes[to]]
      if (node === undefined || peer === undefined) continue
      const told = new NumberSet(this.#bundle.blocks)
      node.peer.join(to, { ...peer.peer.opening(), told, roundTripMs: 2 * this.#options.delayMs, givesLeaves: true }, 0)
    }
  }

  #leave(taker: number): void {
    const node = this.#nodes[taker]
    if (node === undefined || node.gone) return
    node.gone = true
    if (node.finishedAtMs === Number.POSITIVE_INFINITY) this.#unfinished--
    for (const peer of node.peer.peers()) {
      this.#nodes[peer]?.peer.leave(taker, this.#events.nowMs)
      this.#pump(peer)
    }
  }

  #tick(node: Node, index: number): void {
    // Spread out, or all nodes would speak at the same moments.
    const run = (): void => {
      if (node.gone) return
      node.peer.tick(this.#events.nowMs)
      this.#pump(index)
      this.#events.add(this.#events.nowMs + TICK_MS, run)
    }
    this.#events.add(this.#random() * TICK_MS, run)
  }

  #say(from: number, to: number, word: ExchangeWord): void {
    const node = this.#nodes[from]
    if (node === undefined) return
    const bytes = WORD_BYTES + (word.type === 'have' ? 2 * word.blocks.length : 0)
    if (node.peer.isHonest) this.#words++
    node.sentBytes += bytes
    // What harms slowly still speaks at once.
    const travelMs = (bytes * 1000) / (this.#options.lines[from]?.up ?? node.line.up)
    if (node.peer.isHonest) node.upFreeAtMs = Math.max(node.upFreeAtMs, this.#events.nowMs) + travelMs
    this.#events.add(this.#events.nowMs + travelMs + this.#options.delayMs, () => {
      const taker = this.#nodes[to]
      if (taker === undefined || taker.gone || node.gone || !taker.peer.knows(from)) return
      taker.peer.hear(from, word, this.#events.nowMs)
      this.#pump(to)
    })
  }

  /** Puts the next block on the uplink when it is free. */
  #pump(index: number): void {
    const node = this.#nodes[index]
    if (node === undefined || node.pumping || node.gone) return
    if (node.upFreeAtMs > this.#events.nowMs) return this.#pumpLater(node, index)
    const upload = node.peer.nextUpload()
    if (upload === null) return
    const bytes = this.#bundle.blockBytes(upload.block) * HEADER_FACTOR + BLOCK_WORD_BYTES
    node.sentBytes += bytes
    node.upFreeAtMs = this.#events.nowMs + (bytes * 1000) / node.line.up
    this.#events.add(node.upFreeAtMs + this.#options.delayMs, () => this.#reach(index, upload, bytes))
    this.#pumpLater(node, index)
  }

  #pumpLater(node: Node, index: number): void {
    node.pumping = true
    this.#events.add(node.upFreeAtMs, () => {
      node.pumping = false
      this.#pump(index)
    })
  }

  #reach(from: number, { peer, block }: { peer: number; block: number }, bytes: number): void {
    const node = this.#nodes[peer]
    if (node === undefined || node.gone) return
    node.downFreeAtMs = Math.max(node.downFreeAtMs, this.#events.nowMs) + (bytes * 1000) / node.line.down
    this.#events.add(node.downFreeAtMs, () => this.#deliver(node, from, peer, block))
  }

  #deliver(node: Node, from: number, to: number, block: number): void {
    const { nowMs } = this.#events
    this.#note(from, to, block)
    const isRight = this.#options.hostile?.get(from) !== 'liar'
    const verdict = node.peer.take(from, block, isRight, nowMs)
    if (node.peer.isHonest) this.#count(verdict, block)
    if (verdict === 'wrong') this.#drop(to, from)
    this.#pump(to)
    if (!node.peer.isComplete || node.finishedAtMs < Number.POSITIVE_INFINITY || node.gone || !node.peer.isHonest)
      return
    node.finishedAtMs = nowMs
    this.#unfinished--
  }

  #count(verdict: Verdict, block: number): void {
    const bytes = this.#bundle.blockBytes(block)
    this.#arrivedBytes += bytes
    if (verdict !== 'kept') this.#wastedBytes += bytes
  }

  /** `index` dropped `dropped`, which hears of it when the word is there. */
  #drop(index: number, dropped: number): void {
    if (this.#nodes[dropped]?.peer.isHonest === true) this.#honestDropped++
    this.#events.add(this.#events.nowMs + this.#options.delayMs, () => {
      this.#nodes[dropped]?.peer.leave(index, this.#events.nowMs)
    })
  }

  #note(...numbers: readonly number[]): void {
    for (const value of [...numbers, Math.round(this.#events.nowMs * 1000)]) {
      this.#trace = Math.imul(this.#trace ^ value, 0x01000193)
    }
  }
}
