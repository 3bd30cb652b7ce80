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
import { randomFrom } from './random.ts'

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
}

export interface Outcome {
  /** Of each taker that stayed; infinite when it never had everything. */
  readonly finishedAtMs: readonly number[]
  readonly originBytes: number
  readonly sentBytes: number
  readonly largestUploadBytes: number
  readonly words: number
  /** FNV-1a over every delivery: the same seed must give the same. */
  readonly trace: number
}

interface Node {
  readonly exchange: Exchange
  readonly line: Line
  readonly parts: Map<number, Set<number>>
  upFreeAtMs: number
  downFreeAtMs: number
  pumping: boolean
  sentBytes: number
  finishedAtMs: number
  gone: boolean
}

/** Runs until everybody has everything, or nothing has happened for a virtual hour. */
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
  #trace = 0x811c9dc5

  constructor(options: WorldOptions) {
    this.#options = options
    this.#bundle = new Bundle(options.files)
    this.#random = randomFrom(options.seed)
    this.#nodes = options.lines.map((line, index) => this.#node(line, index))
    this.#unfinished = options.lines.length - 1
  }

  run(): Outcome {
    this.#connect()
    for (const [index, node] of this.#nodes.entries()) this.#tick(node, index)
    for (const [taker, atMs] of this.#options.leaves ?? []) this.#events.add(atMs, () => this.#leave(taker))
    while (this.#unfinished > 0 && this.#events.nowMs < 3_600_000 && this.#events.step());
    const [origin, ...takers] = this.#nodes
    const uploads = takers.map(({ sentBytes }) => sentBytes)
    return {
      finishedAtMs: takers.filter(({ gone }) => !gone).map(({ finishedAtMs }) => finishedAtMs),
      originBytes: origin?.sentBytes ?? 0,
      sentBytes: this.#nodes.reduce((sum, { sentBytes }) => sum + sentBytes, 0),
      largestUploadBytes: Math.max(0, ...uploads),
      words: this.#words,
      trace: this.#trace >>> 0,
    }
  }

  #node(line: Line, index: number): Node {
    const bundle = this.#bundle
    const exchange = new Exchange({
      bundle,
      held: index === 0 ? NumberSet.full(bundle.blocks) : new NumberSet(bundle.blocks),
      wanted: index === 0 ? new NumberSet(bundle.pieces) : NumberSet.full(bundle.pieces),
      isOrigin: index === 0,
      say: (peer, word) => this.#say(index, peer, word),
      mayAsk: () => true,
      urgent: () => [],
      random: this.#random,
    })
    const idle = { upFreeAtMs: 0, downFreeAtMs: 0, pumping: false, sentBytes: 0 }
    return { exchange, line, parts: new Map(), ...idle, finishedAtMs: Number.POSITIVE_INFINITY, gone: false }
  }

  #connect(): void {
    const { length } = this.#nodes
    for (let index = 0; index < length; index++) {
      while ((this.#nodes[index]?.exchange.partners.size ?? 0) < Math.min(this.#options.degree, length - 1)) {
        const other = Math.floor(this.#random() * length)
        if (other !== index && !this.#nodes[index]?.exchange.partners.has(other)) this.#link(index, other)
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
      const { wanted } = peer.exchange
      const [held, told] = [new NumberSet(this.#bundle.blocks), new NumberSet(this.#bundle.blocks)]
      const opening = { held, wanted, told, roundTripMs: 2 * this.#options.delayMs }
      node.exchange.join(to, opening, 0)
    }
  }

  #leave(taker: number): void {
    const node = this.#nodes[taker]
    if (node === undefined || node.gone) return
    node.gone = true
    if (node.finishedAtMs === Number.POSITIVE_INFINITY) this.#unfinished--
    for (const peer of node.exchange.partners.keys()) {
      this.#nodes[peer]?.exchange.leave(taker, this.#events.nowMs)
      this.#pump(peer)
    }
  }

  #tick(node: Node, index: number): void {
    // Spread out, or all nodes would speak at the same moments.
    const run = (): void => {
      if (node.gone) return
      node.exchange.tick(this.#events.nowMs)
      this.#pump(index)
      this.#events.add(this.#events.nowMs + TICK_MS, run)
    }
    this.#events.add(this.#random() * TICK_MS, run)
  }

  #say(from: number, to: number, word: ExchangeWord): void {
    this.#words++
    const bytes = WORD_BYTES + (word.type === 'have' ? 2 * word.blocks.length : 0)
    const node = this.#nodes[from]
    if (node === undefined) return
    node.sentBytes += bytes
    node.upFreeAtMs = Math.max(node.upFreeAtMs, this.#events.nowMs) + (bytes * 1000) / node.line.up
    this.#events.add(this.#events.nowMs + (bytes * 1000) / node.line.up + this.#options.delayMs, () => {
      const taker = this.#nodes[to]
      if (taker === undefined || taker.gone || node.gone) return
      taker.exchange.hear(from, word, this.#events.nowMs)
      this.#pump(to)
    })
  }

  /** Puts the next block on the uplink when it is free. */
  #pump(index: number): void {
    const node = this.#nodes[index]
    if (node === undefined || node.pumping || node.gone) return
    if (node.upFreeAtMs > this.#events.nowMs) return this.#pumpLater(node, index)
    const upload = node.exchange.nextUpload(() => true)
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
    const { exchange } = node
    const { nowMs } = this.#events
    this.#note(from, to, block)
    exchange.arrived(from, block, nowMs)
    exchange.keep(this.#checked(node, block), nowMs)
    this.#pump(to)
    if (!exchange.complete || node.finishedAtMs < Number.POSITIVE_INFINITY || node.gone) return
    node.finishedAtMs = nowMs
    this.#unfinished--
  }

  /** Blocks that can be checked now that `block` is here. */
  #checked({ parts }: Node, block: number): Iterable<number> {
    const piece = this.#bundle.pieceOf(block)
    if (this.#bundle.checksBlocks(piece)) return [block]
    const here = parts.get(piece) ?? new Set()
    parts.set(piece, here.add(block))
    return here.size === this.#bundle.blocksOf(piece).count ? here : []
  }

  #note(...numbers: readonly number[]): void {
    for (const value of [...numbers, Math.round(this.#events.nowMs * 1000)]) {
      this.#trace = Math.imul(this.#trace ^ value, 0x01000193)
    }
  }
}
