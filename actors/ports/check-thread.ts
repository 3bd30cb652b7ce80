/**
 * A thread that holds one checked release: checking Debian takes two seconds and a third of a gigabyte.
 *
 * Never a reason for the process to stay alive while nothing is asked of it.
 */
import type { Worker } from 'node:worker_threads'
import { FreshetError } from '../../schemas/errors.ts'
import { startWorker } from '../../store/start-worker.ts'
import type { CheckAnswer, CheckRequest } from './check-service.ts'
import type { ThreadAnswer } from './check-worker.ts'

const WORKER_URL = new URL('./check-worker', import.meta.url)

interface Asked {
  readonly resolve: (answer: CheckAnswer) => void
  readonly reject: (error: FreshetError) => void
}

export class CheckThread {
  readonly #worker: Worker
  #asked: Asked | null = null
  #ended: FreshetError | null = null

  constructor() {
    this.#worker = startWorker(WORKER_URL)
    this.#worker.unref()
    this.#worker.on('message', (answer: ThreadAnswer) => this.#answered(answer))
    this.#worker.on('error', (error) => this.#end(new FreshetError('INTERNAL', 'the check ended', {}, error)))
    this.#worker.on('exit', () => this.#end(new FreshetError('INTERRUPTED', 'the check was interrupted')))
  }

  /** One question at a time. @throws as CheckService; FreshetError INTERRUPTED, INTERNAL: then it is of no use any more. */
  answer(request: CheckRequest): Promise<CheckAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== null) return reject(this.#ended)
      this.#asked = { resolve, reject }
      this.#worker.ref()
      this.#worker.postMessage(request)
    })
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }

  #answered(answer: ThreadAnswer): void {
    const asked = this.#asked
    this.#asked = null
    this.#worker.unref()
    if (answer.kind === 'done') asked?.resolve(answer.answer)
    else asked?.reject(new FreshetError(answer.code, answer.message, answer.detail))
  }

  #end(reason: FreshetError): void {
    this.#ended ??= reason
    this.#asked?.reject(this.#ended)
    this.#asked = null
  }
}
