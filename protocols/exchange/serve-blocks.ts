/**
 * Whose turn it is to get a block: everybody who waits gets a share of the uplink, larger for who gives us more.
 *
 * Start-time fair queueing (Goyal, Vin, Cheng 1996): the one whose turn comes first is next, and a block puts its turn off by the size
 * of the block over its weight. Who gives nothing still has a fifth of the weight of who gives as much as it takes, so a
 * newcomer starts at once, and nobody buys the whole line.
 * What can be checked block by block is dealt out in turn. A file of a single piece is sent to one after the other, whole: who
 * has it can pass it on, and halves of it are of no use to anybody.
 */
import type { Bundle } from '../../schemas/bundle.ts'
import { FIRST_ASK_BYTES } from '../../schemas/limits.ts'
import type { Partner } from './partner.ts'

const WEIGHT_MIN = 0.1

export class ServeBlocks {
  readonly #bundle: Bundle
  #turn = 0
  #whole: { readonly partner: Partner; readonly piece: number } | null = null

  constructor(bundle: Bundle) {
    this.#bundle = bundle
  }

  /** Who waited for nothing until now cannot claim the turns it let pass. */
  waits(partner: Partner): void {
    if (partner.queue.size === 0) partner.turn = Math.max(partner.turn, this.#turn)
  }

  /** Takes the next block off the queue of the peer whose turn it is. */
  next(partners: Iterable<Partner>): { partner: Partner; block: number } | null {
    const partner = this.#unfinished() ?? this.#first(partners)
    const block = partner?.queue.peek()
    if (partner === null || block === undefined) return null
    const piece = this.#bundle.pieceOf(block)
    this.#whole = this.#bundle.checksBlocks(piece) ? null : { partner, piece }
    this.#turn = Math.max(this.#turn, partner.turn)
    const byteLength = this.#bundle.blockBytes(block)
    partner.queue.delete(block)
    partner.servedBytes += byteLength
    partner.turn += byteLength / weightOf(partner)
    return { partner, block }
  }

  #unfinished(): Partner | null {
    if (this.#whole === null) return null
    const block = this.#whole.partner.queue.peek()
    return block !== undefined && this.#bundle.pieceOf(block) === this.#whole.piece ? this.#whole.partner : null
  }

  #first(partners: Iterable<Partner>): Partner | null {
    let first: Partner | null = null
    for (const partner of partners) {
      if (partner.queue.size > 0 && (first === null || partner.turn < first.turn)) first = partner
    }
    return first
  }
}

function weightOf({ receivedBytes, passedOnBytes, servedBytes }: Partner): number {
  return Math.max(WEIGHT_MIN, Math.min(1, (FIRST_ASK_BYTES + receivedBytes + passedOnBytes) / Math.max(1, servedBytes)))
}
