/**
 * Evidence against channels, one file for each channel and kind: evidence/KEY.CODE, never overwritten and never removed.
 *
 * Everything kept was judged first, so a file that does not hold was damaged on this disk.
 */
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FreshetError } from '../schemas/errors.ts'
import type { KeyHex } from '../schemas/units.ts'
import { asIoError, TEMPORARY_SUFFIX, writeDurably } from './durable.ts'
import { judgeEvidence } from './evidence.ts'
import type { Misdeed, Verdict } from './evidence.ts'

export interface KeptEvidence {
  readonly code: Misdeed
  readonly path: string
  readonly bytes: Buffer
}

export class EvidenceFiles {
  readonly #directory: string
  readonly #kept: Map<KeyHex, readonly KeptEvidence[]>
  /** One write after the other: two of one kind would both find the place free. */
  #written: Promise<unknown> = Promise.resolve()

  private constructor(directory: string, kept: Map<KeyHex, readonly KeptEvidence[]>) {
    this.#directory = directory
    this.#kept = kept
  }

  /** @throws FreshetError STORE_FAILED naming a damaged file, IO_ERROR. */
  static async open(directory: string): Promise<EvidenceFiles> {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const files = new EvidenceFiles(directory, new Map())
    for (const name of (await readdir(directory)).toSorted()) {
      if (name.endsWith(TEMPORARY_SUFFIX)) continue
      const path = join(directory, name)
      const bytes = await readFile(path).catch((error: unknown) => Promise.reject(asIoError(error, path)))
      files.#add(judgeKept(path, bytes), path, bytes)
    }
    return files
  }

  /** What is held against `key`, oldest kind first. */
  of(key: KeyHex): readonly KeptEvidence[] {
    return this.#kept.get(key) ?? []
  }

  /** On disk when it resolves. Another of the same kind is kept already: it proves as much. @throws EVIDENCE_INVALID. */
  keep(bytes: Buffer): Promise<Verdict> {
    const keeping = this.#written.then(() => this.#keep(bytes))
    this.#written = keeping.catch(() => {}) // whoever asked for it has the error; the next one only waits
    return keeping
  }

  /** Resolves when nothing is being written any more. */
  async close(): Promise<void> {
    await this.#written
  }

  async #keep(bytes: Buffer): Promise<Verdict> {
    const verdict = judgeEvidence(bytes)
    const { key, code } = verdict
    if (this.of(key).some((kept) => kept.code === code)) return verdict
    const path = join(this.#directory, `${key}.${code}`)
    await writeDurably(path, bytes)
    this.#add(verdict, path, bytes)
    return verdict
  }

  #add({ key, code }: Verdict, path: string, bytes: Buffer): void {
    this.#kept.set(key, [...this.of(key), { code, path, bytes }])
  }
}

function judgeKept(path: string, bytes: Buffer): Verdict {
  try {
    return judgeEvidence(bytes)
  } catch (error) {
    throw new FreshetError('STORE_FAILED', `the evidence file ${path} is damaged`, { path }, error)
  }
}
