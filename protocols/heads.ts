/**
 * The heads channel of one log on one connection, both directions. Frames, order and rules: head-frames.ts.
 *
 * Owns: that nobody is told anything who has not shown that they know the key (a manifest gives it away), how often a head is
 * said, and what a peer may say. Its counts last as long as the connection: a channel that is opened again does not renew them.
 * Refuses, by closing the connection: frames out of order, heads that are not signed, evidence that proves nothing, a flood.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { SignedHead } from '../schemas/evidence.ts'
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import { EVIDENCE_PER_PEER_MAX, HEAD_PAUSE_MS, HEADS_BURST_MAX, HEADS_PER_SECOND_MAX } from '../schemas/limits.ts'
import type { GuardedMux } from './guard.ts'
import { headsProtocol } from './head-frames.ts'

/** What this node knows of one log, and what it does with what a peer says of it. */
export interface HeadKeeper {
  readonly key: Buffer
  readonly discoveryKey: Buffer
  /** The encoded manifest; null while it is not known. */
  manifest(): Buffer | null
  /** The newest signed head; null while there is none, and once the log is not vouched for any more. */
  head(): SignedHead | null
  evidence(): readonly Buffer[]
  /** @returns what verifies heads. @throws FreshetError unless `manifest` is that of the key. */
  verifier(manifest: Buffer): (head: SignedHead) => boolean
  /** A verified head of this peer; the one before is void. */
  heard(peer: HeadsLink, head: SignedHead): void
  /** @throws FreshetError unless it proves something against this log. */
  accuse(evidence: Buffer): Promise<void>
  /** The peer is gone. */
  left(peer: HeadsLink): void
}

export interface HeadsOptions {
  readonly now?: () => number
  /** Instead of HEAD_PAUSE_MS. */
  readonly pauseMs?: number
}

type Session = NonNullable<ReturnType<typeof headsProtocol.open>>

export class HeadsLink {
  readonly #mux: GuardedMux
  readonly #keeper: HeadKeeper
  readonly #now: () => number
  readonly #pauseMs: number
  #session: Session | null = null
  /** The peer has shown that it knows the key. */
  #trusted = false
  #verifies: ((head: SignedHead) => boolean) | null = null
  #saidSigners = false
  #said: SignedHead | null = null
  /** The peer's last: it need not be told of that. */
  #heard: SignedHead | null = null
  #pause: NodeJS.Timeout | null = null
  readonly #offered = new Set<Buffer>()
  #accusations = 0
  #headsLeft: number = HEADS_BURST_MAX
  #headsCountedAtMs: number

  constructor(mux: GuardedMux, keeper: HeadKeeper, options: HeadsOptions) {
    this.#mux = mux
    this.#keeper = keeper
    this.#now = options.now ?? (() => performance.now())
    this.#pauseMs = options.pauseMs ?? HEAD_PAUSE_MS
    this.#headsCountedAtMs = this.#now()
    // A peer that begins to follow this log later opens the channel then.
    mux.pair({ protocol: headsProtocol.name, id: keeper.discoveryKey }, () => this.#open())
    this.#open()
  }

  /** Says what is new: evidence at once, the newest head after a pause. */
  tell(): void {
    const session = this.#session
    if (session === null || !this.#trusted) return
    for (const file of this.#keeper.evidence()) {
      if (this.#offered.has(file)) continue
      this.#offered.add(file)
      session.send.evidence({ file })
    }
    this.#tellHead(session)
  }

  close(): void {
    this.#mux.unpair({ protocol: headsProtocol.name, id: this.#keeper.discoveryKey })
    this.#session?.close()
  }

  #open(): void {
    if (this.#session !== null) return
    this.#session = headsProtocol.open(this.#mux, {
      id: this.#keeper.discoveryKey,
      on: {
        hello: ({ capability }) => this.#onHello(capability),
        evidence: ({ file }) => this.#onEvidence(file),
        signers: ({ manifest }) => this.#onSigners(manifest),
        head: (head) => this.#onHead(head),
      },
      onclose: () => this.#closed(),
    })
    const capability = capabilityOf(this.#mux, this.#keeper.key, this.#mux.stream.isInitiator)
    this.#session?.send.hello({ capability })
  }

  #closed(): void {
    this.#session = null
    this.#trusted = false
    this.#verifies = null
    this.#saidSigners = false
    this.#said = null
    this.#heard = null
    if (this.#pause !== null) clearTimeout(this.#pause)
    this.#pause = null
    this.#keeper.left(this)
  }

  #tellHead(session: Session): void {
    if (this.#pause !== null) return
    const head = this.#keeper.head()
    const manifest = this.#keeper.manifest()
    if (head === null || manifest === null || isSame(head, this.#said) || isSame(head, this.#heard)) return
    if (!this.#saidSigners) session.send.signers({ manifest })
    this.#saidSigners = true
    this.#said = head
    session.send.head(head)
    this.#pause = setTimeout(() => {
      this.#pause = null
      this.tell()
    }, this.#pauseMs)
    this.#pause.unref()
  }

  #onHello(capability: Buffer): void {
    if (this.#trusted) throw malformed('a second hello')
    if (!timingSafeEqual(capability, capabilityOf(this.#mux, this.#keeper.key, !this.#mux.stream.isInitiator))) {
      throw malformed('the peer does not know the key of the log')
    }
    this.#trusted = true
    this.tell()
  }

  async #onEvidence(file: Buffer): Promise<void> {
    if (!this.#trusted) throw malformed('evidence before hello')
    if (++this.#accusations > EVIDENCE_PER_PEER_MAX) throw malformed('more evidence than there is')
    await this.#keeper.accuse(file)
  }

  #onSigners(manifest: Buffer): void {
    if (!this.#trusted || this.#verifies !== null) throw malformed('signers out of order')
    try {
      this.#verifies = this.#keeper.verifier(manifest)
    } catch (error) {
      throw malformed(asFreshetError(error).message)
    }
  }

  #onHead(head: SignedHead): void {
    if (this.#verifies === null) throw malformed('a head before its signers')
    this.#countHead()
    if (!this.#verifies(head)) throw malformed(`a head of length ${head.length} that the key did not sign`)
    this.#heard = head
    this.#keeper.heard(this, head)
  }

  #countHead(): void {
    const nowMs = this.#now()
    const earned = ((nowMs - this.#headsCountedAtMs) * HEADS_PER_SECOND_MAX) / 1000
    this.#headsLeft = Math.min(HEADS_BURST_MAX, this.#headsLeft + earned) - 1
    this.#headsCountedAtMs = nowMs
    if (this.#headsLeft < 0) throw malformed('heads come faster than allowed')
  }
}

/** Takes part in the heads of one log on one connection until it closes. Once for each: the link opens its channel anew by itself. */
export function openHeads(mux: GuardedMux, keeper: HeadKeeper, options: HeadsOptions = {}): HeadsLink {
  return new HeadsLink(mux, keeper, options)
}

/** Shows that its sender knows the key of the log; of no use on another connection, or to whoever received it. */
export function capabilityOf({ stream }: GuardedMux, key: Buffer, ofInitiator: boolean): Buffer {
  return createHmac('sha256', key)
    .update(`${headsProtocol.name} ${ofInitiator ? 'initiator' : 'responder'} `)
    .update(stream.handshakeHash ?? '')
    .digest()
}

function isSame(head: SignedHead, other: SignedHead | null): boolean {
  return other !== null && head.signature.equals(other.signature) && head.treeHash.equals(other.treeHash)
}

function malformed(message: string): FreshetError {
  return new FreshetError('MESSAGE_MALFORMED', message)
}
