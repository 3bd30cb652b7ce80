/**
 * How much a connection has yet to send, and whether the other end takes any of it.
 *
 * Queued bytes wait in the encrypting stream; below it a socket accepts little before it pushes back. Progress is read at
 * the lowest place each transport offers, because one large frame over a slow line counts as nothing higher up.
 */
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import type { RawStream } from '@hyperswarm/secret-stream'

/** Bytes accepted by `stream` that its transport has not taken. */
export function queuedBytes(stream: NoiseSecretStream): number {
  return (stream._writableState?.buffered ?? 0) + transportBytes(stream.rawStream)
}

/** A TCP socket knows them to the byte; a UDX stream and a bridge in memory (streamx) count whole writes. */
function transportBytes(socket: RawStream): number {
  const inKernelQueue = socket._handle?.writeQueueSize
  if (typeof inKernelQueue === 'number') return inKernelQueue
  const buffered = socket._writableState?.buffered
  return typeof buffered === 'number' ? buffered : 0 // a closed TCP socket has an array there
}

/** Differs from an earlier value of the same stream when bytes have left since. */
export function progressMark(stream: NoiseSecretStream): string {
  const { rawBytesWritten, rawStream } = stream
  return `${rawBytesWritten} ${rawStream._handle?.writeQueueSize ?? 0} ${rawStream.bytesTransmitted ?? 0}`
}
