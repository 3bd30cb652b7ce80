/**
 * Files that come from one at a time, because only the whole of them can be checked: whoever spoils such a file is known then.
 *
 * That is every file without a signed root, and, where who gives it sends no hashes of blocks, one that came wrong from several at once.
 */
import type { Bundle } from '../../schemas/bundle.ts'
import type { Partner } from './partner.ts'

export class LoneGivers {
  readonly #bundle: Bundle
  readonly #givers = new Map<number, Partner>()
  readonly #distrusted = new Set<number>()

  constructor(bundle: Bundle) {
    this.#bundle = bundle
  }

  mayGive(partner: Partner, piece: number): boolean {
    if (!this.#isAlone(partner, piece)) return true
    const giver = this.#givers.get(this.#bundle.fileOf(piece))
    return giver === undefined || giver === partner
  }

  /** It is asked for some of `piece`. */
  asked(partner: Partner, piece: number): void {
    if (this.#isAlone(partner, piece)) this.#givers.set(this.#bundle.fileOf(piece), partner)
  }

  /** What was given of the file of `piece` is gone: anybody may begin anew. */
  lost(piece: number): void {
    this.#givers.delete(this.#bundle.fileOf(piece))
  }

  /** It gives nothing more. */
  released(partner: Partner): void {
    for (const [file, giver] of this.#givers) if (giver === partner) this.#givers.delete(file)
  }

  /** Some of `file` was wrong, and more than one may have sent it. */
  distrust(file: number): void {
    this.#distrusted.add(file)
  }

  /**
   * A mirror joins because peers are slower, or give nothing: what it has and a peer gives alone is its from now on.
   * @returns that peer, and the file.
   */
  takenOver(mirror: Partner): { readonly peer: Partner; readonly file: number } | null {
    for (const [file, peer] of this.#givers) {
      const { first, count } = this.#bundle.piecesOf(file)
      const shows = count > 0 && mirror.shown.has(this.#bundle.blocksOf(first).first)
      if (!shows || !peer.givesLeaves || this.#bundle.checksBlocks(first)) continue
      this.#givers.set(file, mirror)
      return { peer, file }
    }
    return null
  }

  /** Whether it gives the file of a piece alone or not at all. */
  #isAlone({ givesLeaves }: Partner, piece: number): boolean {
    return !this.#bundle.checksBlocks(piece) || (!givesLeaves && this.#distrusted.has(this.#bundle.fileOf(piece)))
  }
}
