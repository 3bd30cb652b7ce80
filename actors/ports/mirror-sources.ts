/**
 * HTTP mirrors as sources of transfers: when they are asked beside peers, which of them, and what is remembered of each.
 *
 * Peers come first. When they gave no piece for MIRROR_AFTER_MS, or there are none, the best few mirrors join the transfer; one that
 * fails is replaced by the next. What they give counts as traffic, and is capped, as what peers give.
 */
import type { Artifact } from '../../schemas/artifact.ts'
import type { FreshetError } from '../../schemas/errors.ts'
import { MIRROR_AFTER_MS, MIRRORS_PER_TRANSFER } from '../../schemas/limits.ts'
import type { KeyHex } from '../../schemas/units.ts'
import { mirrorChannel } from '../../protocols/mirror-channel.ts'
import { MirrorClient } from '../../protocols/mirror-client.ts'
import { MirrorScores } from '../../protocols/mirror-scores.ts'
import { PeerSet } from '../../protocols/peers.ts'
import type { PieceChannel } from '../../protocols/pieces.ts'
import { PeerGate } from './peer-gate.ts'
import type { Sharing } from './sharing.ts'

export interface MirrorSourcesDeps {
  /** Unix milliseconds. */
  readonly now: () => number
  readonly log: (level: 'info' | 'warn', message: string) => void
  readonly sharing: Sharing
}

/** Where mirrors have an artifact. */
export interface MirroredFile {
  /** Filename of the stanza; null: not known. */
  readonly path: string | null
  /** Base URLs, normalised. */
  readonly mirrors: readonly string[]
}

export class MirrorSources {
  readonly scores = new MirrorScores()
  readonly deps: MirrorSourcesDeps
  readonly client: MirrorClient

  constructor(deps: MirrorSourcesDeps) {
    this.deps = deps
    this.client = new MirrorClient({ scores: this.scores, now: deps.now })
  }

  /** For one transfer, which asks `peers` first. */
  begin(peers: PeerSet, artifact: Artifact, file: MirroredFile): MirrorTurn {
    return new MirrorTurn(this, peers, artifact, file)
  }
}

/** The mirrors of one transfer. */
export class MirrorTurn {
  /** Whom the transfer is to ask. */
  readonly peers: PeerSet
  readonly #sources: MirrorSources
  readonly #others: PeerSet
  readonly #artifact: Artifact
  readonly #file: MirroredFile
  readonly #joined = new Map<KeyHex, { readonly url: string; readonly channel: PieceChannel }>()
  readonly #failed = new Set<string>()
  readonly #timer: NodeJS.Timeout
  #pieceAtMs = performance.now()

  constructor(sources: MirrorSources, others: PeerSet, artifact: Artifact, file: MirroredFile) {
    this.#sources = sources
    this.#others = others
    this.#artifact = artifact
    this.#file = file
    this.peers = new PeerSet(others)
    this.#timer = setInterval(() => this.#look(), MIRROR_AFTER_MS)
    if (others.size === 0) this.#fill()
  }

  pieceCame(): void {
    this.#pieceAtMs = performance.now()
  }

  /** @returns false when `peer` is no mirror of this transfer. */
  shunned(peer: KeyHex, error: FreshetError): boolean {
    const joined = this.#joined.get(peer)
    if (joined === undefined) return false
    const { url, channel } = joined
    const { scores, deps } = this.#sources
    const { digest } = this.#artifact
    if (error.code === 'PIECE_MISMATCH') scores.wrong(url, digest, deps.now())
    deps.log('warn', `mirror ${url} is not asked for ${digest.slice(0, 8)} again: ${error.code}: ${error.message}`)
    this.#joined.delete(peer)
    this.#failed.add(url)
    this.#fill()
    this.peers.remove(channel)
    return true
  }

  end(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    if (performance.now() - this.#pieceAtMs >= MIRROR_AFTER_MS || this.#others.size === 0) this.#fill()
  }

  #fill(): void {
    const { path, mirrors } = this.#file
    if (path === null || this.#joined.size >= MIRRORS_PER_TRANSFER) return
    const { scores, client, deps } = this.#sources
    const { digest, byteLength: fileBytes } = this.#artifact
    const taken = new Set([...this.#joined.values()].map(({ url }) => url))
    for (const base of scores.usable(mirrors, digest, deps.now())) {
      if (this.#joined.size >= MIRRORS_PER_TRANSFER) return
      if (taken.has(base) || this.#failed.has(base)) continue
      const gate = new PeerGate(deps.sharing, () => hostOf(base))
      const channel = gate.asking(mirrorChannel(client, { base, path, fileBytes }))
      this.#joined.set(channel.remoteKey, { url: base, channel })
      this.peers.add(channel)
    }
  }
}

/** A mirror that is named by an address is on the local network, or not; one that is named by its name is taken to be far. */
function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, '')
}
