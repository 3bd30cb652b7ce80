/**
 * How much a connection has yet to send, and whether the other end takes any of it.
 *
 * Queued bytes wait in the encrypting stream; below it a socket accepts little before it pushes back. Progress is read at
 * the lowest place each transport offers, because one large frame over a slow line counts as nothing higher up.
 */
import type NoiseSecretStream from '@hyperswarm/secret-stream'

/** Bytes accepted by `stream` that its transport has not taken. */
export function queuedBytes(stream: NoiseSecretStream): number {
  const socket = stream.rawStream
  const below = socket?._handle?.writeQueueSize ?? socket?._writableState?.buffered ?? 0
  return (stream._writableState?.buffered ?? 0) + below
}

/** Differs from an earlier value of the same stream when bytes have left since. */
export function progressMark(stream: NoiseSecretStream): string {
  const socket = stream.rawStream
  return `${stream.rawBytesWritten} ${socket?._handle?.writeQueueSize ?? 0} ${socket?.bytesTransmitted ?? 0}`
}
