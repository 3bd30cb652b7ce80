/**
 * Hashes whole files away from the main thread: SHA-256 and BEP 52 piece layer in one reading.
 *
 * Owns a few worker threads, started when first needed, ended when nothing came for a while, and never a reason for the
 * process to stay alive while idle. The queue is bounded: who has many files hands them in as answers come (see adopt).
 */
import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'
import { FreshetError } from '../schemas/errors.ts'
import {
  ARTIFACT_BYTES_MAX,
  HASH_IDLE_MS,
  HASH_JOBS_PER_THREAD,
  HASH_QUEUE_MAX,
  HASH_WORKERS_MAX,
} from '../schemas/limits.ts'
import { parseDigest } from '../schemas/units.ts'
import { asIoError } from './durable.ts'
import type { HashAnswer, HashRequest } from './hash-worker.ts'
import type { Hashed } from './hashed.ts'
import { startWorker } from './start-worker.ts'

interface Job {
  readonly request: HashRequest
  readonly resolve: (hashed: Hashed) => void
  readonly reject: (error: FreshetError) => void
}

interface Thread {
  readonly worker: Worker
  /** Given to it and not answered yet, oldest first: answers come in this order. */
  readonly jobs: Job[]
  idleTimer: NodeJS.Timeout | null
}

const WORKER_URL = new URL('./hash-worker', import.meta.url)

export class Hasher {
  readonly threadsMax: number
  readonly #threads = new Set<Thread>()
  readonly #waiting: Job[] = []
  #closed = false

  constructor(threadsMax: number = Math.min(HASH_WORKERS_MAX, availableParallelism())) {
    this.threadsMax = threadsMax
  }

  /**
   * @throws FreshetError IO_ERROR, ARTIFACT_MISMATCH when the file is longer than `byteLengthMax`, REQUEST_REFUSED when too
   * many files wait, INTERRUPTED when closed meanwhile.
   */
  hash(path: string, byteLengthMax: number = ARTIFACT_BYTES_MAX): Promise<Hashed> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(interrupted(path))
      if (this.#waiting.length >= HASH_QUEUE_MAX) {
        return reject(
          new FreshetError('REQUEST_REFUSED', `${HASH_QUEUE_MAX} files wait to be hashed already`, { path }),
        )
      }
      this.#waiting.push({ request: { path, byteLengthMax }, resolve, reject })
      this.#dispatch()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const { request, reject } of this.#waiting.splice(0)) reject(interrupted(request.path))
    await Promise.all([...this.#threads].map((thread) => this.#end(thread, (path) => interrupted(path))))
  }

  #dispatch(): void {
    while (this.#waiting.length > 0) {
      const thread = this.#nextThread()
      const job = thread === null ? undefined : this.#waiting.shift()
      if (thread === null || job === undefined) return
      if (thread.idleTimer !== null) clearTimeout(thread.idleTimer)
      thread.idleTimer = null
      thread.jobs.push(job)
      thread.worker.ref()
      thread.worker.postMessage(job.request)
    }
  }

  /** An idle thread, a new one, or the one with least to do; null when all have enough. */
  #nextThread(): Thread | null {
    const [least] = [...this.#threads].sort((a, b) => a.jobs.length - b.jobs.length)
    if (least?.jobs.length === 0) return least
    if (this.#threads.size < this.threadsMax) return this.#start()
    return least !== undefined && least.jobs.length < HASH_JOBS_PER_THREAD ? least : null
  }

  #start(): Thread {
    const thread: Thread = {
      worker: startWorker(WORKER_URL),
      jobs: [],
      idleTimer: null,
    }
    thread.worker.on('message', (answer: HashAnswer) => this.#answered(thread, answer))
    thread.worker.on('error', (error) => void this.#end(thread, (path) => workerFailed(path, error)))
    thread.worker.on('exit', (exitCode) => void this.#end(thread, (path) => workerFailed(path, exitCode)))
    this.#threads.add(thread)
    return thread
  }

  #answered(thread: Thread, answer: HashAnswer): void {
    const job = thread.jobs.shift()
    if (thread.jobs.length === 0) {
      thread.worker.unref()
      thread.idleTimer = setTimeout(() => void this.#end(thread, interrupted), HASH_IDLE_MS).unref()
    }
    if (job !== undefined) settle(job, answer)
    this.#dispatch()
  }

  async #end(thread: Thread, reason: (path: string) => FreshetError): Promise<void> {
    if (!this.#threads.delete(thread)) return
    if (thread.idleTimer !== null) clearTimeout(thread.idleTimer)
    for (const { request, reject } of thread.jobs.splice(0)) reject(reason(request.path))
    await thread.worker.terminate()
    if (!this.#closed) this.#dispatch()
  }
}

function settle({ request: { path }, resolve, reject }: Job, answer: HashAnswer): void {
  if (answer.kind === 'failed') {
    const { message, errno, syscall } = answer
    const error =
      errno === null ? new Error(message) : Object.assign(new Error(message), { code: errno, errno: -1, syscall })
    return reject(asIoError(error, path))
  }
  if (answer.kind === 'too-long') {
    const message = `${path} is longer than ${answer.byteLengthMax} bytes`
    return reject(new FreshetError('ARTIFACT_MISMATCH', message, { path, byteLengthMax: answer.byteLengthMax }))
  }
  const digest = parseDigest(answer.digest)
  if (digest === null) return reject(new FreshetError('INTERNAL', `the hash worker answered no digest for ${path}`))
  const { byteLength, piecesRoot, layer } = answer
  // Between threads a Buffer becomes a plain Uint8Array.
  resolve({
    digest,
    byteLength,
    piecesRoot: piecesRoot === null ? null : asBuffer(piecesRoot),
    layer: layer.byteLength === 0 ? null : asBuffer(layer),
  })
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function interrupted(path: string): FreshetError {
  return new FreshetError('INTERRUPTED', `hashing ${path} was interrupted`, { path })
}

function workerFailed(path: string, cause: unknown): FreshetError {
  return new FreshetError('INTERNAL', `the hash worker ended while it hashed ${path}`, { path }, cause)
}
