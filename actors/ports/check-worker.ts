/** Worker thread of actors/ports/check-thread.ts. Who asks waits for the answer before asking again. */
import { parentPort } from 'node:worker_threads'
import { asFreshetError } from '../../schemas/errors.ts'
import type { ErrorCode, ErrorDetail } from '../../schemas/errors.ts'
import { CheckService } from './check-service.ts'
import type { CheckAnswer, CheckRequest } from './check-service.ts'

export type ThreadAnswer =
  | { readonly kind: 'done'; readonly answer: CheckAnswer }
  // An Error loses its code on the way between threads.
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string; readonly detail: ErrorDetail }

const service = new CheckService()

parentPort?.on('message', (request: CheckRequest) => {
  void answerOf(request).then((answer) => parentPort?.postMessage(answer))
})

async function answerOf(request: CheckRequest): Promise<ThreadAnswer> {
  try {
    return { kind: 'done', answer: await service.answer(request) }
  } catch (error) {
    const { code, message, detail } = asFreshetError(error)
    return { kind: 'failed', code, message, detail }
  }
}
