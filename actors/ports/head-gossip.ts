/**
 * Holds one channel's publisher to what it signed: tells peers the newest head, compares theirs with the log that is here, and
 * keeps the evidence when two cannot both be true. Evidence of whatever origin is judged from its bytes, made durable, and only
 * then stops the channel; from then on it is what peers are told.
 *
 * A head beyond this log is remembered, the newest of each peer, until the log has grown to it. The longest of them is passed on at
 * once: it is signed, and its blocks take longer.
 */
import { asFreshetError, FreshetError } from '../../schemas/errors.ts'
import type { SignedHead } from '../../schemas/evidence.ts'
import type { GuardedMux } from '../../protocols/guard.ts'
import { openHeads } from '../../protocols/heads.ts'
import type { HeadKeeper, HeadsLink } from '../../protocols/heads.ts'
import { compareHead } from '../../store/compare-heads.ts'
import { conflictEvidence } from '../../store/conflict-evidence.ts'
import type { ConflictProof } from '../../store/conflict-evidence.ts'
import type { EvidenceFiles } from '../../store/evidence-files.ts'
import { judgeEvidence, rewriteEvidence } from '../../store/evidence.ts'
import { encodeManifest, headEvidence, readManifest, verifyHead } from '../../store/head-evidence.ts'
import type { Manifest } from '../../store/lint-manifest.ts'
import type { ReleaseLog } from '../../store/release-log.ts'
import type { Channel } from '../channel.ts'
import type { Notifier } from '../notifier.ts'

/** What a channel is, to this. */
export interface GossipedChannel extends Pick<Channel, 'key' | 'name' | 'contradict'> {
  readonly log: Pick<ReleaseLog, 'core' | 'id' | 'reopen'>
}

export interface HeadGossipDeps {
  readonly channel: GossipedChannel
  readonly evidence: EvidenceFiles
  readonly log: (level: 'info' | 'warn', message: string) => void
  readonly notifier: Pick<Notifier, 'heard'>
  /** Unix milliseconds. */
  readonly now: () => number
}

export class HeadGossip implements HeadKeeper {
  readonly key: Buffer
  readonly discoveryKey: Buffer
  readonly #channel: GossipedChannel
  readonly #evidence: EvidenceFiles
  readonly #deps: HeadGossipDeps
  readonly #links = new Map<GuardedMux, HeadsLink>()
  /** Verified, and not found consistent yet: at most one of each peer. */
  readonly #heard = new Map<HeadsLink, SignedHead>()
  readonly #comparing = new Set<HeadsLink>()
  /** The log's own or a peer's, whichever is known first: there is one for a key. */
  #manifest: Manifest | null = null

  /** The longest that is verified: of this log, or of a peer. */
  #newest: SignedHead | null

  constructor(deps: HeadGossipDeps) {
    const { channel, evidence } = deps
    this.#deps = deps
    this.#channel = channel
    this.#evidence = evidence
    const { core } = channel.log
    this.#newest = headEvidence(core)
    this.key = core.key
    this.discoveryKey = core.discoveryKey
    core.on('append', () => this.#grown())
    core.on('truncate', () => void this.#rewritten()) // never rejects
    core.on('conflict', (_length, _fork, proof) => void this.#conflicted(proof)) // never rejects
  }

  /** Takes part on one connection until it closes. */
  link(mux: GuardedMux): void {
    if (this.#links.has(mux)) return
    this.#links.set(mux, openHeads(mux, this))
    mux.stream.once('close', () => this.#links.delete(mux))
  }

  manifest(): Buffer | null {
    const { manifest } = this.#channel.log.core
    if (this.#manifest === null && manifest !== null) this.#manifest = strong(this.key, manifest)
    return this.#manifest === null ? null : encodeManifest(this.#manifest)
  }

  head(): SignedHead | null {
    return this.evidence().length > 0 ? null : this.#newest
  }

  evidence(): readonly Buffer[] {
    return this.#evidence.of(this.#channel.key).map(({ bytes }) => bytes)
  }

  verifier(bytes: Buffer): (head: SignedHead) => boolean {
    const manifest = readManifest(this.key, bytes)
    this.#manifest ??= manifest // of a log whose first proof has not come, this is the only one
    return (head) => verifyHead(this.key, manifest, head)
  }

  heard(peer: HeadsLink, head: SignedHead): void {
    this.#heard.set(peer, head)
    if (head.fork === this.#channel.log.core.fork) this.#note(head)
    void this.#compare(peer) // never rejects
  }

  left(peer: HeadsLink): void {
    this.#heard.delete(peer)
  }

  async accuse(file: Buffer): Promise<void> {
    const { key, code } = judgeEvidence(file)
    if (key !== this.#channel.key) throw new FreshetError('EVIDENCE_INVALID', 'it is about another channel')
    try {
      await this.#evidence.keep(file)
    } catch (error) {
      // A full disk is no reason to go on with a channel whose key lies.
      this.#deps.log('warn', `${this.#channel.name}: the evidence could not be kept: ${asFreshetError(error).message}`)
    }
    this.#channel.contradict(code)
    for (const link of this.#links.values()) link.tell()
  }

  /**
   * What this node can tell by itself: evidence of an earlier run, a log of its own that was rewritten, and one that is not the
   * log whose head was recorded.
   */
  async checkOwn(recorded: SignedHead | null): Promise<void> {
    const [kept] = this.#evidence.of(this.#channel.key)
    if (kept !== undefined) return this.#channel.contradict(kept.code)
    const { core } = this.#channel.log
    if (core.fork > 0) return this.#rewritten()
    if (recorded === null || core.manifest === null) return
    const found = await compareHead(core, core.manifest, recorded)
    if (typeof found !== 'string') await this.#accuseOr('HISTORY_REWRITE', async () => found)
  }

  /** The log that is here was truncated: its own head tells it. */
  async #rewritten(): Promise<void> {
    await this.#accuseOr('HISTORY_REWRITE', async () => {
      const { core } = this.#channel.log
      const own = headEvidence(core)
      return own === null || core.manifest === null ? null : rewriteEvidence(this.key, core.manifest, own)
    })
  }

  /** Hypercore has seen and verified two heads that contradict each other, and closes the log; it may be late with it. */
  async #conflicted(proof: ConflictProof): Promise<void> {
    await this.#accuseOr('EQUIVOCATION', async () => {
      await this.#channel.log.reopen()
      const { core } = this.#channel.log
      return core.manifest === null ? null : conflictEvidence(core, core.manifest, proof)
    })
  }

  /** Stops the channel with `code` when the evidence for it cannot be had. */
  async #accuseOr(code: 'EQUIVOCATION' | 'HISTORY_REWRITE', find: () => Promise<Buffer | null>): Promise<void> {
    try {
      const found = await find()
      if (found !== null) return await this.accuse(found)
    } catch (error) {
      this.#deps.log('warn', `${this.#channel.name}: no evidence could be made: ${asFreshetError(error).message}`)
    }
    this.#channel.contradict(code)
  }

  /** Tells this node and its peers of a head that is longer than all before. */
  #note(head: SignedHead): void {
    if (this.#newest !== null && head.length <= this.#newest.length) return
    this.#newest = head
    for (const link of this.#links.values()) link.tell()
    this.#deps.notifier.heard(this.#channel, head.length, this.#deps.now())
  }

  #grown(): void {
    const own = headEvidence(this.#channel.log.core)
    if (own !== null) this.#note(own)
    for (const peer of this.#heard.keys()) void this.#compare(peer) // never rejects
  }

  async #compare(peer: HeadsLink): Promise<void> {
    if (this.#comparing.has(peer)) return
    this.#comparing.add(peer)
    try {
      for (let head = this.#heard.get(peer); head !== undefined; head = this.#heard.get(peer)) {
        if (!(await this.#settle(head)) && this.#heard.get(peer) === head) return
        if (this.#heard.get(peer) === head) this.#heard.delete(peer)
      }
    } catch (error) {
      this.#deps.log('warn', `${this.#channel.name}: a head could not be compared: ${asFreshetError(error).message}`)
    } finally {
      this.#comparing.delete(peer)
    }
  }

  /** @returns false when this log must grow first. */
  async #settle(head: SignedHead): Promise<boolean> {
    for (;;) {
      const { core } = this.#channel.log
      const { length } = core
      if (this.manifest() === null || this.#manifest === null) return false
      const found = await compareHead(core, this.#manifest, head)
      if (typeof found !== 'string') await this.accuse(found)
      if (found !== 'later') return true
      if (core.length === length) return false // or it has grown meanwhile, and nobody would ask again
    }
  }
}

/** @returns null for one that other nodes would refuse: nobody can be held to what such signers say. */
function strong(key: Buffer, manifest: Manifest): Manifest | null {
  try {
    return readManifest(key, encodeManifest(manifest))
  } catch {
    return null // whoever follows the channel is told so when its genesis is read
  }
}
