/**
 * Adoption in bulk: hashes many files that stay where they are, and has them recorded a batch at a time.
 *
 * Owns the order of things for one call: look, hash, look again (a file that changed meanwhile is refused), keep the layer,
 * record. One bad file is refused with its reason and stops nobody; a record that cannot be written stops all.
 */
import type { Stats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import { ADOPT_BATCH_FILES } from '../schemas/limits.ts'
import type { DigestHex } from '../schemas/units.ts'
import { describeFile, isSame, type AdoptedFile } from './adopted-log.ts'
import { errnoOf } from './durable.ts'
import type { Hashed, TakenIn } from './hashed.ts'

export interface AdoptEntry {
  readonly sourcePath: string
  readonly digest: DigestHex
  readonly byteLength: number
  /** When this one is not the file that it should be, nothing of the batch is adopted, and its error is thrown. */
  readonly strict?: boolean
}

export interface AdoptProgress {
  readonly filesDone: number
  readonly filesTotal: number
  readonly bytesDone: number
  readonly bytesTotal: number
}

export interface AdoptResult {
  readonly adopted: TakenIn[]
  readonly refused: { sourcePath: string; error: FreshetError }[]
}

/** What the pool lends to an adoption. */
export interface AdoptHost {
  /** Files looked at at once: enough to keep the hash threads busy. */
  readonly concurrency: number
  /** Already held and unchanged. */
  known(digest: DigestHex): { readonly byteLength: number } | null
  hash(path: string, byteLength: number): Promise<Hashed>
  keepLayer(digest: DigestHex, layer: Buffer): Promise<void>
  /** Durable when it returns. */
  record(files: readonly AdoptedFile[]): Promise<void>
  onProgress(progress: AdoptProgress): void
}

/** @throws FreshetError of a strict file that was refused; DISK_FULL, IO_ERROR when the list cannot be written. */
export async function adoptFiles(entries: readonly AdoptEntry[], host: AdoptHost): Promise<AdoptResult> {
  const result: AdoptResult = { adopted: [], refused: [] }
  const bytesTotal = entries.reduce((sum, { byteLength }) => sum + byteLength, 0)
  let filesDone = 0
  let bytesDone = 0
  let fault = null as FreshetError | null
  for (let start = 0; start < entries.length; start += ADOPT_BATCH_FILES) {
    const queue = entries.slice(start, start + ADOPT_BATCH_FILES).values()
    const files: AdoptedFile[] = []
    const taken: TakenIn[] = []
    const work = async (): Promise<void> => {
      for (const entry of queue) {
        if (fault !== null) return
        try {
          const outcome = await adoptOne(entry, host)
          taken.push(outcome.taken)
          if (outcome.file !== null) files.push(outcome.file)
        } catch (error) {
          const refusal = { sourcePath: entry.sourcePath, error: asFreshetError(error) }
          if (entry.strict === true) fault ??= refusal.error
          result.refused.push(refusal)
        }
        filesDone += 1
        bytesDone += entry.byteLength
        host.onProgress({ filesDone, filesTotal: entries.length, bytesDone, bytesTotal })
      }
    }
    await Promise.all(Array.from({ length: host.concurrency }, work))
    if (fault !== null) throw fault
    await host.record(files)
    result.adopted.push(...taken)
  }
  return result
}

async function adoptOne(entry: AdoptEntry, host: AdoptHost): Promise<{ taken: TakenIn; file: AdoptedFile | null }> {
  const { digest, byteLength } = entry
  if (host.known(digest)?.byteLength === byteLength) return { taken: { digest, byteLength, hashed: null }, file: null }
  const path = resolve(entry.sourcePath)
  const before = await look(path)
  if (before.size !== byteLength) throw mismatch(path, digest, `has ${before.size} bytes, not ${byteLength}`)
  const hashed = await host.hash(path, byteLength)
  if (hashed.digest !== digest) throw mismatch(path, digest, `has SHA-256 ${hashed.digest}, not ${digest}`)
  const file = describeFile(digest, path, before)
  if (!isSame(file, await look(path))) throw mismatch(path, digest, 'changed while it was hashed')
  if (hashed.layer !== null) await host.keepLayer(digest, hashed.layer)
  return { taken: { digest, byteLength, hashed }, file }
}

async function look(path: string): Promise<Stats> {
  const stats = await stat(path).catch((error: unknown) => {
    throw new FreshetError('SOURCE_UNAVAILABLE', `${path} cannot be read: ${errnoOf(error)}`, { path }, error)
  })
  if (!stats.isFile()) throw new FreshetError('SOURCE_UNAVAILABLE', `${path} is not a regular file`, { path })
  return stats
}

function mismatch(path: string, digest: DigestHex, what: string): FreshetError {
  return new FreshetError('ARTIFACT_MISMATCH', `${path} ${what}`, { path, digest })
}
