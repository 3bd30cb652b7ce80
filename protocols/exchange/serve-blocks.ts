/**
 * Whose turn it is to get a block: everybody who waits gets a share of the uplink, larger for who gives us more.
 *
 * Start-time fair queueing (Goyal, Vin, Cheng 1996): the one whose turn comes first is next, and a block puts its turn off by the size
 * of the block over its weight. Who passes on what we handed to it gives in our place. The first blocks have the full weight, so
 * a newcomer starts at once; who gives nothing then still has a tenth of the weight of who gives as much as it takes, so
 * nobody buys the whole line.
 * What can be checked block by block is dealt out in turn. A file of a single piece is sent to one after the other, whole: who
 * has it can pass it on, and halves of it are of no use to anybody.
 */
import type { Bundle } from '../../schemas/bundle.ts'
import { FIRST_ASK_BYTES } from '../../schemas/limits.ts'
import type { Partner } from './partner.ts'

const WEIGHT_MIN = 0.1

export class ServeBlocks {
  readonly #bundle: Bundle
  /** How often each block was sent: what few have goes first, so that those who ask have different blocks to give. */
  readonly #sent: Uint16Array
  #turn = 0
  #whole: { readonly partner: Partner; readonly piece: number } | null = null

  constructor(bundle: Bundle) {
    this.#bundle = bundle
    this.#sent = new Uint16Array(bundle.blocks)
  }

  /** Who waited for nothing until now cannot claim the turns it let pass. */
  waits(partner: Partner): void {
    if (partner.queue.size === 0) partner.turn = Math.max(partner.turn, this.#turn)
  }

  /**
   * Takes the next block off the queue of the peer whose turn it is.
   * @param isReady whether a peer can be sent something; one that cannot is passed over.
   */
  next(partners: Iterable<Partner>, isReady: (peer: number) => boolean): { partner: Partner; block: number } | null {
    const partner = this.#unfinished(isReady) ?? this.#first(partners, isReady)
    const block = partner?.queue.peek(this.#sent)
    if (partner === null || block === undefined) return null
    const piece = this.#bundle.pieceOf(block)
    this.#whole = this.#bundle.checksBlocks(piece) ? null : { partner, piece }
    this.#turn = Math.max(this.#turn, partner.turn)
    const byteLength = this.#bundle.blockBytes(block)
    partner.queue.delete(block)
    if (this.#whole === null) this.#sent[block] = (this.#sent[block] ?? 0) + 1
    partner.servedBytes += byteLength
    partner.turn += byteLength / weightOf(partner)
    return { partner, block }
  }

  #unfinished(isReady: (peer: number) => boolean): Partner | null {
    if (this.#whole === null || !isReady(this.#whole.partner.id)) return null
    const block = this.#whole.partner.queue.peek(this.#sent)
    return block !== undefined && this.#bundle.pieceOf(block) === this.#whole.piece ? this.#whole.partner : null
  }

  #first(partners: Iterable<Partner>, isReady: (peer: number) => boolean): Partner | null {
    let first: Partner | null = null
    for (const partner of partners) {
      if (partner.queue.size === 0 || (first !== null && partner.turn >= first.turn)) continue
      if (isReady(partner.id)) first = partner
    }
    return first
  }
}

function weightOf({ receivedBytes, passedOnBytes, servedBytes }: Partner): number {
  return Math.max(WEIGHT_MIN, Math.min(1, (FIRST_ASK_BYTES + receivedBytes + passedOnBytes) / Math.max(1, servedBytes)))
}
