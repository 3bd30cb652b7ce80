/**
 * What Hypercore replication does not check by itself, checked before it sees a message.
 *
 * Owns: the largest position a peer may name (Hypercore fills a bitfield for any range it is told, and searches up to the
 * highest position it was ever told), and the number of requests that wait or are being read from disk. Hypercore starts
 * every request at once while the stream is drained and queues them without a bound while it is not.
 * Source: hypercore 11.37 lib/replicator.js (onrequest, _handleRequests, onrange), lib/messages.js for the order of messages.
 */
import type { Channel, ChannelOptions, Encoding, MessageOptions } from 'protomux'
import { FreshetError } from '../schemas/errors.ts'
import { ANSWERS_IN_FLIGHT_MAX, LOG_BLOCKS_MAX, REQUESTS_PENDING_MAX } from '../schemas/limits.ts'

export const REPLICATION_PROTOCOL = 'hypercore/alpha'
const REQUEST_TYPE = 1
/** Positions of blocks, and of nodes of the Merkle tree over them: two for each block. */
const POSITION_KEYS = ['start', 'length', 'index', 'remoteLength']
const POSITION_MAX = 2 * LOG_BLOCKS_MAX
/** The records inside a request or an answer; hashes are counted by their own arrays. */
const PARTS = ['block', 'hash', 'seek', 'upgrade']

interface Replica {
  readonly receiverQueue: {
    readonly length: number
    readonly queue: { readonly length: number }
    readonly priority: { readonly length: number }
  }
}

interface Gate {
  readonly channels: Iterable<Channel>
  drained: boolean
}

export class ReplicationGuard {
  readonly #mux: Gate
  #answering = 0

  constructor(mux: Gate) {
    this.#mux = mux
  }

  /** @returns `options` of a Hypercore channel with bounded messages. */
  bound(options: ChannelOptions): ChannelOptions {
    const messages = (options.messages ?? []).map((message, type) => this.#boundMessage(message, type))
    return { ...options, messages }
  }

  #boundMessage(message: MessageOptions | null, type: number): MessageOptions | null {
    if (message === null || message.encoding === undefined) return message
    const encoding = message.encoding as unknown as Encoding
    const bounded: Encoding = {
      preencode: (state, value) => encoding.preencode(state, value),
      encode: (state, value) => encoding.encode(state, value),
      decode: (state) => checkPositions(encoding.decode(state), 0),
    }
    const onmessage = message.onmessage as unknown as (value: unknown, channel: Channel) => unknown
    return {
      ...message,
      encoding: bounded as Encoding<never>,
      onmessage: (value, channel) =>
        type === REQUEST_TYPE ? this.#request(onmessage, value, channel) : onmessage(value, channel),
    }
  }

  #request(onmessage: (value: unknown, channel: Channel) => unknown, value: unknown, channel: Channel): unknown {
    if (this.#pending() >= REQUESTS_PENDING_MAX) {
      throw new FreshetError('PEER_NOT_READING', `${REQUESTS_PENDING_MAX} replication requests wait for an answer`)
    }
    if (this.#answering >= ANSWERS_IN_FLIGHT_MAX) return this.#queue(onmessage, value, channel)
    const answer = onmessage(value, channel)
    if (!(answer instanceof Promise)) return answer
    this.#answering++
    const settled = (): void => {
      if (--this.#answering === 0) this.#resume()
    }
    answer.then(settled, settled)
    return answer
  }

  /** Hypercore puts a request into its own queue, to be answered one after the other, when the stream is not drained. */
  #queue(onmessage: (value: unknown, channel: Channel) => unknown, value: unknown, channel: Channel): unknown {
    const { drained } = this.#mux
    this.#mux.drained = false
    try {
      return onmessage(value, channel)
    } finally {
      this.#mux.drained = drained
    }
  }

  /** Nobody else would: the stream has been drained all along. */
  #resume(): void {
    for (const channel of this.#mux.channels) {
      const replica = replicaOf(channel)
      if (replica !== null && replica.receiverQueue.length > 0) void channel._track(channel.ondrain(channel))
    }
  }

  /** Cancelled requests stay in Hypercore's queues until their turn, so the queues are what is counted. */
  #pending(): number {
    let pending = this.#answering
    for (const channel of this.#mux.channels) {
      const replica = replicaOf(channel)
      if (replica !== null) pending += replica.receiverQueue.queue.length + replica.receiverQueue.priority.length
    }
    return pending
  }
}

function replicaOf(channel: Channel): Replica | null {
  return channel.protocol === REPLICATION_PROTOCOL ? (channel.userData as Replica | null) : null
}

function checkPositions(message: unknown, depth: number): unknown {
  if (typeof message !== 'object' || message === null) return message
  const record = message as Record<string, unknown>
  for (const key of POSITION_KEYS) {
    const position = record[key]
    if (typeof position === 'number' && !(position <= POSITION_MAX)) {
      throw new FreshetError('MESSAGE_MALFORMED', `${key} ${position} is beyond any log`, { position })
    }
  }
  if (depth === 0) for (const part of PARTS) checkPositions(record[part], 1)
  return message
}
