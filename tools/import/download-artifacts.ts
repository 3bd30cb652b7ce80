/**
 * Brings the bytes of many artifacts from a repository into a temporary folder: a few at a time, each hashed as it comes.
 *
 * Refuses to begin when all of them together are more than allowed. What fails on the way is tried again; a file that
 * differs from its index ends the import at once. Nothing unverified is ever handed over.
 */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { asFreshetError, FreshetError } from '../../schemas/errors.ts'
import { IMPORT_DOWNLOADS_MAX } from '../../schemas/limits.ts'
import type { LocalArtifact } from '../../schemas/release-draft.ts'
import { digestHex, type DigestHex } from '../../schemas/units.ts'
import { retrying, transfer } from './http-client.ts'

export interface WantedArtifact {
  readonly digest: DigestHex
  readonly byteLength: number
  readonly url: string
}

export interface DownloadOptions {
  /** An existing folder; each file gets its digest as name. */
  readonly directory: string
  readonly bytesMax: number
  readonly onProgress?: ((bytesDone: number, bytesTotal: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
  readonly stallMsMax?: number | undefined
}

/** @throws FreshetError IMPORT_TOO_LARGE, ARTIFACT_MISMATCH, SOURCE_UNAVAILABLE, INTERRUPTED */
export async function downloadArtifacts(
  wanted: readonly WantedArtifact[],
  options: DownloadOptions,
): Promise<LocalArtifact[]> {
  const bytesTotal = wanted.reduce((sum, { byteLength }) => sum + byteLength, 0)
  if (bytesTotal > options.bytesMax) {
    const reason = `${wanted.length} files with ${bytesTotal} bytes would be downloaded, more than ${options.bytesMax}`
    throw new FreshetError('IMPORT_TOO_LARGE', reason, { files: wanted.length, bytesTotal, bytesMax: options.bytesMax })
  }
  const failure = new AbortController()
  const signal = options.signal === undefined ? failure.signal : AbortSignal.any([options.signal, failure.signal])
  const artifacts: LocalArtifact[] = []
  let bytesDone = 0
  const queue = wanted.values()
  const work = async (): Promise<void> => {
    for (const artifact of queue) {
      const sourcePath = join(options.directory, artifact.digest)
      let bytesOfTry = 0
      const count = (byteLength: number): void => {
        bytesOfTry += byteLength
        bytesDone += byteLength
        options.onProgress?.(bytesDone, bytesTotal)
      }
      await retrying(artifact.url, signal, async () => {
        bytesDone -= bytesOfTry
        bytesOfTry = 0
        await downloadOne(artifact, sourcePath, signal, options.stallMsMax, count)
      })
      artifacts.push({ digest: artifact.digest, byteLength: artifact.byteLength, sourcePath, copy: true, strict: true })
    }
  }
  // The first failure is the one to report; the other workers are told to stop and waited for, so that no file is open.
  const failures: FreshetError[] = []
  await Promise.all(
    Array.from({ length: IMPORT_DOWNLOADS_MAX }, async () => {
      try {
        await work()
      } catch (error) {
        failures.push(asFreshetError(error))
        failure.abort()
      }
    }),
  )
  const [first] = failures
  if (first !== undefined) throw first
  return artifacts
}

async function downloadOne(
  { digest, byteLength, url }: WantedArtifact,
  path: string,
  signal: AbortSignal,
  stallMsMax: number | undefined,
  count: (byteLength: number) => void,
): Promise<void> {
  const hasher = createHash('sha256')
  const handle = await open(path, 'w', 0o600)
  let received = 0
  try {
    const there = await transfer(url, { byteLengthMax: byteLength, signal, stallMsMax }, async (chunk) => {
      hasher.update(chunk)
      received += chunk.byteLength
      await handle.writeFile(chunk)
      count(chunk.byteLength)
    }).catch((error: unknown) => {
      if (!(error instanceof FreshetError) || error.detail['byteLengthMax'] === undefined) throw error
      throw new FreshetError('ARTIFACT_MISMATCH', `${url} has more than ${byteLength} bytes`, { url, digest }, error)
    })
    if (!there) {
      throw new FreshetError('SOURCE_UNAVAILABLE', `${url}: the repository does not have it`, { url, status: 404 })
    }
  } finally {
    await handle.close()
  }
  const actual = digestHex(hasher.digest())
  if (received === byteLength && actual === digest) return
  const reason = received === byteLength ? `SHA-256 ${actual}, not ${digest}` : `${received} bytes, not ${byteLength}`
  throw new FreshetError('ARTIFACT_MISMATCH', `${url} has ${reason}`, { url, digest })
}
