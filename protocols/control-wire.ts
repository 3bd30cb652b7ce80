/**
 * The control socket's messages: one JSON object a line.
 *
 *   command                                   daemon
 *   │── { id, op, args } ─────────────────────▶│
 *   │◀─ { id, progress } ──────────────────────│  any number; dropped while the command does not read
 *   │◀─ { id, event } ─────────────────────────│  any number; kept, in order
 *   │── { id, cancel: true } ─────────────────▶│  or the connection ends
 *   │◀─ { id, result } or { id, error } ───────│  exactly one, the last for this id
 *
 * Pure: splits lines, checks their shape, carries errors with their code. `id` is the command's own number. A line that
 * breaks the format is answered with `id: null` and ends the connection.
 */
import { ERROR_CODES, type ErrorCode, type ErrorDetail, FreshetError } from '../schemas/errors.ts'

export type ControlRequest =
  | { readonly kind: 'call'; readonly id: number; readonly op: string; readonly args: unknown }
  | { readonly kind: 'cancel'; readonly id: number }

export type ControlReply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly progress: unknown }
  | { readonly id: number; readonly event: unknown }
  | { readonly id: number | null; readonly error: unknown }

const NEWLINE = 0x0a
const OP_CHARACTERS_MAX = 64

/** Cuts a byte stream into lines of a bounded length. */
export class LineSplitter {
  readonly #byteLengthMax: number
  #chunks: Buffer[] = []
  #byteLength = 0

  constructor(byteLengthMax: number) {
    this.#byteLengthMax = byteLengthMax
  }

  /** @throws FreshetError MESSAGE_MALFORMED when a line is too long; nothing more can be split then. */
  *push(chunk: Buffer): Generator<string> {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#keep(chunk.subarray(start, end))
      const line = Buffer.concat(this.#chunks).toString()
      this.#chunks = []
      this.#byteLength = 0
      start = end + 1
      yield line
    }
    this.#keep(chunk.subarray(start))
  }

  #keep(part: Buffer): void {
    this.#byteLength += part.byteLength
    if (this.#byteLength > this.#byteLengthMax) {
      this.#chunks = []
      throw malformed(`a line is longer than ${this.#byteLengthMax} bytes`)
    }
    if (part.byteLength > 0) this.#chunks.push(part)
  }
}

/** @throws FreshetError MESSAGE_MALFORMED */
export function parseRequest(line: string): ControlRequest {
  const { id, op, args, cancel } = parseObject(line)
  if (!isId(id)) throw malformed('id is not a whole number from 0')
  if (cancel === true) return { kind: 'cancel', id }
  if (typeof op !== 'string' || op === '' || op.length > OP_CHARACTERS_MAX) throw malformed('op is not a name')
  return { kind: 'call', id, op, args }
}

/** @throws FreshetError MESSAGE_MALFORMED */
export function parseReply(line: string): ControlReply {
  const reply = parseObject(line)
  const { id } = reply
  if (id === null && 'error' in reply) return { id, error: reply['error'] }
  if (!isId(id)) throw malformed('id is not a whole number from 0')
  if ('error' in reply) return { id, error: reply['error'] }
  if ('result' in reply) return { id, result: reply['result'] }
  if ('progress' in reply) return { id, progress: reply['progress'] }
  if ('event' in reply) return { id, event: reply['event'] }
  throw malformed('a reply has none of result, error, progress and event')
}

/** Rebuilds what the daemon threw. A code of a newer daemon that is unknown here becomes INTERNAL and keeps its name. */
export function errorFromWire(value: unknown): FreshetError {
  const { code, message, detail } = isObject(value) ? value : {}
  const text = typeof message === 'string' ? message : 'the daemon gave no reason'
  if (typeof code === 'string' && Object.hasOwn(ERROR_CODES, code)) {
    return new FreshetError(code as ErrorCode, text, detailFromWire(detail))
  }
  return new FreshetError('INTERNAL', text, { ...detailFromWire(detail), code: String(code) })
}

function detailFromWire(detail: unknown): ErrorDetail {
  const known = Object.entries(isObject(detail) ? detail : {}).filter(
    ([, value]) => value === null || ['string', 'number', 'boolean'].includes(typeof value),
  )
  return Object.fromEntries(known) as ErrorDetail
}

function parseObject(line: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    throw malformed('a line is not JSON', error)
  }
  if (!isObject(value)) throw malformed('a line is not a JSON object')
  return value
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function malformed(reason: string, cause?: unknown): FreshetError {
  return new FreshetError('MESSAGE_MALFORMED', `the control socket: ${reason}`, {}, cause)
}
