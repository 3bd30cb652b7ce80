/**
 * What became of one fetch, in short: how much came from where, who was asked, and what it waited for.
 *
 * Written with the fact that ends a fetch (schemas/journal.ts) from what protocols/fetch-tally.ts counted; read by `freshet why`.
 */
import { list, nullable, oneOf, struct, text, uint } from './codec.ts'
import type { Infer } from './codec.ts'
import { CODE_BYTES_MAX, FETCH_SOURCES_MAX, MIRROR_URL_BYTES_MAX } from './limits.ts'

/** A peer of the local network, one beyond it, an HTTP mirror. */
export const SOURCE_KINDS = ['lan', 'peer', 'mirror'] as const
export type SourceKind = (typeof SOURCE_KINDS)[number]

const sourceReport = struct({
  kind: oneOf(SOURCE_KINDS),
  /** The beginning of a peer's key, or the URL of a mirror; empty: all others of this kind. */
  name: text(MIRROR_URL_BYTES_MAX),
  /** Of the file; those that proved to be wrong, or came twice, included. */
  bytes: uint,
  /** Requests. */
  asked: uint,
  /** Of them those that it answered with no. */
  refused: uint,
  /** Times that it said that it had nothing of what goes with the file. */
  declined: uint,
  /** Why it was asked no more. */
  code: nullable(text(CODE_BYTES_MAX)),
})
export type SourceReport = Infer<typeof sourceReport>

export const fetchReport = struct({
  /** Here before it began: left by an earlier try. */
  heldBytes: uint,
  /** Until it was its turn. */
  queuedMs: uint,
  /** Then, until the block of the log was here that names it. */
  logMs: uint,
  /** Then, until the first of its bytes came. */
  sourceMs: uint,
  /** Then, until the last of them did. */
  bytesMs: uint,
  /** Then, until it was checked and kept, or given up. */
  endMs: uint,
  /** Those that gave most first, then what is left of each kind. */
  sources: list(sourceReport, FETCH_SOURCES_MAX),
})
export type FetchReport = Infer<typeof fetchReport>
