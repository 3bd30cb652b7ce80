/** Answers one question after the other about one checked release: in the main thread for a small one, else in a thread of its own. */
import { readFileSync } from 'node:fs'
import { FreshetError } from '../../schemas/errors.ts'
import { asIoError } from '../../store/durable.ts'
import { CheckedSnapshot } from '../solver/checked-snapshot.ts'
import type { ArchitectureCheck, CheckedIndex, CheckQuestion, IndexChange } from '../solver/checked-snapshot.ts'

/** An index file of the release to begin with: its bytes, or the file that has them. */
export interface LoadedIndex extends Omit<CheckedIndex, 'bytes'> {
  readonly from: Uint8Array | string
}

export type CheckRequest =
  | { readonly kind: 'load'; readonly indexes: readonly LoadedIndex[] }
  | { readonly kind: 'advance'; readonly changes: readonly IndexChange[] }
  | { readonly kind: 'answer'; readonly question: CheckQuestion }

/** Of `advance`: whether it could. */
export type CheckAnswer = boolean | readonly ArchitectureCheck[]

export class CheckService {
  #checked: CheckedSnapshot | null = null

  /** @throws as CheckedSnapshot; FreshetError IO_ERROR. Afterwards it has to be loaded anew. */
  async answer(request: CheckRequest): Promise<CheckAnswer> {
    const checked = this.#checked
    if (request.kind === 'load') {
      this.#checked = null // two at once would be twice the memory
      this.#checked = await CheckedSnapshot.load(request.indexes.map(read))
      return true
    }
    if (checked === null) throw new FreshetError('INTERNAL', 'no release was loaded to be checked')
    if (request.kind === 'advance') return checked.advance(request.changes.map(asBuffers))
    return checked.answer(request.question)
  }
}

/** Blocking: a thread of its own has nothing else to do, and a small file is read at once. */
function read({ path, runs, from }: LoadedIndex): CheckedIndex {
  if (typeof from !== 'string') return { path, runs, bytes: asBuffer(from) }
  try {
    return { path, runs, bytes: readFileSync(from) }
  } catch (error) {
    throw asIoError(error, from)
  }
}

function asBuffers({ path, removed, added }: IndexChange): IndexChange {
  return { path, removed, added: added.map((placed) => ({ ...placed, text: asBuffer(placed.text) })) }
}

/** Between threads a Buffer becomes a plain Uint8Array. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
