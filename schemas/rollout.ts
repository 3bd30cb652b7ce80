/**
 * To whom a release is offered: what a `rollout` note says, and what chapters repeat of it.
 *
 * A share is a number of followers out of SHARE_WHOLE. Every follower has a place in every release, from a hash of its own key, and is
 * in the share if its place is below it. So nobody has to be asked, the followers of one release are not those of the next, and
 * a share that grows leaves nobody out who was in it. As apt's Phased-Update-Percentage, which hashes package, version and machine id.
 */
import { createHash } from 'node:crypto'
import { invalid, nullable, struct, text, uint } from './codec.ts'
import type { Codec, Infer } from './codec.ts'
import { FreshetError } from './errors.ts'
import * as limits from './limits.ts'
import { note } from './note.ts'

/** Everybody: shares are hundredths of a percent. */
export const SHARE_WHOLE = 10_000
const SHARES_PER_PERCENT = 100

const share: Codec<number> = {
  preencode(state, value) {
    requireShare(value)
    uint.preencode(state, value)
  },
  encode: (state, value) => uint.encode(state, value),
  decode: (state) => requireShare(uint.decode(state)),
}

const said = {
  /** Of the release. */
  number: uint,
  share,
  /** Why it is offered to nobody any more who has not taken it; null: it is not halted. */
  halted: nullable(text(limits.REASON_BYTES_MAX)),
}

/** As a chapter repeats it. */
export const rolloutState = struct(said)
/** A release is offered to a share of the followers, to more of them, to nobody else, or again. */
export const rollout = struct({ ...note, ...said })

export type RolloutState = Infer<typeof rolloutState>

/** By number of the release. A release that is not among them is offered to everybody. */
export type Rollouts = ReadonlyMap<number, RolloutState>

/** Whether not everybody is offered the release. */
export function isPartial({ share: offered, halted }: RolloutState): boolean {
  return halted !== null || offered < SHARE_WHOLE
}

/** What holds once `next` was said as well: a share never shrinks, whatever is said. */
export function afterNote(before: RolloutState | undefined, next: RolloutState): RolloutState {
  const { number, halted } = next
  return { number, share: Math.max(before?.share ?? 0, next.share), halted }
}

/**
 * Place of a node among the followers of a release, from 0 to SHARE_WHOLE - 1: the first 32 bits of
 * SHA-256("freshet rollout" · key of the channel · number of the release, 64 bits · key of the node), as a part of 2^32.
 */
export function rolloutPlace(channelKey: Uint8Array, number: number, nodeKey: Uint8Array): number {
  const numbered = Buffer.alloc(8)
  numbered.writeBigUInt64BE(BigInt(number))
  const hash = createHash('sha256').update('freshet rollout').update(channelKey).update(numbered).update(nodeKey)
  return Math.floor((hash.digest().readUInt32BE(0) * SHARE_WHOLE) / 2 ** 32)
}

/** '10%', '0.5 %' or '10'. @throws FreshetError USAGE. */
export function parseShare(given: string): number {
  const percent = Number(/^(\d{1,3}(?:\.\d{1,2})?) ?%?$/.exec(given)?.[1] ?? Number.NaN)
  const parsed = Math.round(percent * SHARES_PER_PERCENT)
  if (parsed >= 1 && parsed <= SHARE_WHOLE) return parsed
  throw new FreshetError('USAGE', `${JSON.stringify(given)} is no share: write 0.01% to 100%`, { share: given })
}

/** As people read it, and as a number in percent. */
export function percentOf(parts: number): number {
  return parts / SHARES_PER_PERCENT
}

function requireShare(value: number): number {
  if (value >= 1 && value <= SHARE_WHOLE) return value
  throw invalid(`a share of ${value} out of ${SHARE_WHOLE}`)
}
