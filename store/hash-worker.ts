/**
 * Worker thread of store/hasher.ts: hashes whole files, one at a time, with blocking reads.
 *
 * Owns no state beyond one buffer. Blocking reads are right here: the thread has nothing else to do, and a file of the
 * median size (59 KB) then costs three system calls instead of three trips through the event loop.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { PieceTreeBuilder } from '../schemas/piece-tree.ts'
import { HASH_READ_BYTES } from '../schemas/limits.ts'

export interface HashRequest {
  readonly path: string
  /** Reading stops, and the answer is `too-long`, one byte above this: a file may grow without end while it is read. */
  readonly byteLengthMax: number
}

export type HashAnswer =
  | { kind: 'hashed'; digest: string; byteLength: number; piecesRoot: Uint8Array | null; layer: Uint8Array }
  | { kind: 'too-long'; byteLengthMax: number }
  | { kind: 'failed'; errno: string | null; syscall: string; message: string }

const buffer = Buffer.allocUnsafeSlow(HASH_READ_BYTES)

parentPort?.on('message', (request: HashRequest) => parentPort?.postMessage(answer(request)))

function answer(request: HashRequest): HashAnswer {
  try {
    return hashFile(request)
  } catch (error) {
    // An Error loses its errno on the way between threads.
    const { code, syscall, message } = error as NodeJS.ErrnoException
    return { kind: 'failed', errno: code ?? null, syscall: syscall ?? 'read', message }
  }
}

function hashFile({ path, byteLengthMax }: HashRequest): HashAnswer {
  const descriptor = openSync(path, 'r')
  try {
    if (!fstatSync(descriptor).isFile()) return { kind: 'failed', errno: 'EINVAL', syscall: 'open', message: 'no file' }
    const tree = new PieceTreeBuilder()
    let byteLength = 0
    for (;;) {
      const bytesRead = readSync(descriptor, buffer, 0, buffer.byteLength, null)
      if (bytesRead === 0) break
      byteLength += bytesRead
      if (byteLength > byteLengthMax) return { kind: 'too-long', byteLengthMax }
      tree.update(buffer.subarray(0, bytesRead))
    }
    return { kind: 'hashed', ...tree.finish() }
  } finally {
    closeSync(descriptor)
  }
}
