/**
 * A typed Protomux channel from a declaration.
 *
 * Owns: encoding, a strict bound on every frame, and where a handler's failure goes (MESSAGE_MALFORMED closes the connection).
 * The protocol name carries the version: a change of meaning or order is a new version, served beside the old one for a release.
 * `open` creates and opens in one tick: a mux confuses an open that crosses one of the other end between the two.
 */
import type { Channel, Encoding } from 'protomux'
import { decodeMessage, type Codec } from '../schemas/codec.ts'
import { FreshetError } from '../schemas/errors.ts'
import type { GuardedMux } from './guard.ts'

export interface Frame<Name extends string, Body> {
  readonly name: Name
  readonly body: Codec<Body>
  readonly byteLengthMax: number
}

export function frame<const Name extends string, Body>(declaration: Frame<Name, Body>): Frame<Name, Body> {
  return declaration
}

// The type parameter of a codec is used both ways, so only `any` accepts every declaration here.
// oxlint-disable-next-line typescript/no-explicit-any
type AnyFrame = Frame<string, any>
type BodyOf<Frames extends readonly AnyFrame[], Name> =
  Extract<Frames[number], { name: Name }> extends Frame<string, infer Body> ? Body : never

export interface SessionOptions<Frames extends readonly AnyFrame[]> {
  readonly id?: Buffer | null
  /** A throw or a rejection closes the connection: nothing but a broken rule of the protocol may throw. */
  readonly on: { readonly [Name in Frames[number]['name']]: (body: BodyOf<Frames, Name>) => void | Promise<void> }
  readonly onclose?: () => void
}

export interface Session<Frames extends readonly AnyFrame[]> {
  /** Each returns false once the channel is closed. */
  readonly send: { readonly [Name in Frames[number]['name']]: (body: BodyOf<Frames, Name>) => boolean }
  /** Resolves false when the other end does not speak this protocol. */
  opened(): Promise<boolean>
  readonly closed: boolean
  /** Closes this channel and leaves the connection up. */
  close(): void
}

export interface Protocol<Frames extends readonly AnyFrame[]> {
  readonly name: string
  /** @returns null when it is open on this connection already, or the connection is closed. */
  open(mux: GuardedMux, options: SessionOptions<Frames>): Session<Frames> | null
}

/** Protomux numbers frames by their order: append only. */
export function protocol<const Frames extends readonly AnyFrame[]>(declaration: {
  readonly name: string
  readonly version: number
  readonly frames: Frames
}): Protocol<Frames> {
  const name = `${declaration.name}/${declaration.version}`
  return { name, open: (mux, options) => openSession(mux, name, declaration.frames, options) }
}

function openSession<Frames extends readonly AnyFrame[]>(
  mux: GuardedMux,
  name: string,
  frames: Frames,
  options: SessionOptions<Frames>,
): Session<Frames> | null {
  const handlers = options.on as Record<string, (body: unknown) => void | Promise<void>>
  const channel = mux.createChannel({
    protocol: name,
    id: options.id ?? null,
    messages: frames.map((frame) => ({
      encoding: encodingOf(name, frame) as Encoding<never>,
      onmessage: (body: unknown, receiving: Channel) => handle(mux, receiving, handlers[frame.name], body),
    })),
    onclose: () => options.onclose?.(),
  })
  if (channel === null) return null
  channel.open()
  const send = Object.fromEntries(
    frames.map((frame, type) => [frame.name, (body: unknown) => sendFrame(channel, type, body)]),
  )
  return {
    send: send as Session<Frames>['send'],
    opened: () => channel.fullyOpened(),
    get closed() {
      return channel.closed
    },
    close: () => channel.close(),
  }
}

function sendFrame(channel: Channel, type: number, body: unknown): boolean {
  if (channel.closed) return false
  channel.messages[type]?.send(body)
  return true // what Protomux returns says nothing while a batch is open; GuardedMux.room() does
}

/** Not returned to Protomux: it would keep a batch of answers back until the slowest handler of a batch is done. */
function handle(
  mux: GuardedMux,
  channel: Channel,
  handler: ((body: unknown) => void | Promise<void>) | undefined,
  body: unknown,
): void {
  const result = handler?.(body)
  if (!(result instanceof Promise)) return
  result.catch((error: unknown) => {
    if (!channel.closed) mux.refuse(malformed(channel.protocol, error))
  })
}

function encodingOf(name: string, frame: AnyFrame): Encoding {
  return {
    preencode: (state, body) => frame.body.preencode(state, body),
    encode: (state, body) => frame.body.encode(state, body),
    decode(state) {
      const record = (state.buffer as Uint8Array).subarray(state.start, state.end)
      state.start = state.end
      if (record.byteLength > frame.byteLengthMax) {
        throw new FreshetError(
          'MESSAGE_MALFORMED',
          `${name} ${frame.name}: ${record.byteLength} bytes exceed the bound`,
        )
      }
      try {
        return decodeMessage(frame.body, record) as unknown
      } catch (error) {
        throw malformed(`${name} ${frame.name}`, error)
      }
    },
  }
}

function malformed(where: string, error: unknown): FreshetError {
  const message = error instanceof Error ? error.message : String(error)
  return new FreshetError('MESSAGE_MALFORMED', `${where}: ${message}`, {}, error)
}
