/**
 * Which piece to ask a peer for next: a pure function of the state of a transfer.
 *
 * In order from the piece that is wanted first, because a reader may be streaming the file. When every missing piece is asked
 * for, one that has waited long is asked of a second peer, so that the slowest peer does not decide when a file is complete.
 */
import { PIECE_HEDGE_MS } from '../schemas/limits.ts'
import type { KeyHex } from '../schemas/units.ts'

/** A piece that is asked for, and of whom. */
export interface PieceAsk {
  readonly peer: KeyHex
  readonly askedAtMs: number
}

export interface PieceChoice {
  readonly pieces: number
  /** Every piece below this one is held. */
  readonly lowest: number
  readonly held: (piece: number) => boolean
  /** Pieces asked for and not yet written, oldest first. */
  readonly asked: ReadonlyMap<number, readonly PieceAsk[]>
  /** The piece wanted before all others; out of range counts as `lowest`. */
  readonly first: number
  /** Whether a piece can be checked by itself; only then may two peers send the same one. */
  readonly verifiable: boolean
  readonly nowMs: number
}

/** @returns the piece to ask `peer` for, or null when there is nothing for it to do. */
export function choosePiece(choice: PieceChoice, peer: KeyHex): number | null {
  const { pieces, lowest, held, asked } = choice
  const first = choice.first >= lowest && choice.first < pieces ? choice.first : lowest
  for (let piece = first; piece < pieces; piece++) if (!held(piece) && !asked.has(piece)) return piece
  for (let piece = lowest; piece < first; piece++) if (!held(piece) && !asked.has(piece)) return piece
  return choice.verifiable ? chooseLate(choice, peer) : null
}

function chooseLate({ asked, held, nowMs }: PieceChoice, peer: KeyHex): number | null {
  for (const [piece, asks] of asked) {
    const [only] = asks
    if (asks.length !== 1 || only === undefined || only.peer === peer || held(piece)) continue
    if (nowMs - only.askedAtMs >= PIECE_HEDGE_MS) return piece
  }
  return null
}
