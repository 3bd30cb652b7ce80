/**
 * The signed index of one release: names every index file with its size and SHA-256, has the dates that the release states,
 * and bears a signature that holds.
 *
 * A Valid-Until that has passed is no fault of the past. Who may sign is for the caller: see `SignatureJudge`.
 */
import { clearText } from '../../schemas/clear-text.ts'
import type { Release } from '../../schemas/events.ts'
import { parseRelease } from '../../schemas/release-file.ts'
import { digestHex } from '../../schemas/units.ts'
import type { ReleaseLog } from '../release-log.ts'
import { readSignedIndex } from '../snapshot.ts'
import type { Findings } from './findings.ts'

export type SignatureVerdict =
  | { readonly kind: 'good'; readonly signers: readonly string[]; readonly channelKey: boolean }
  /** Nobody here has the key. */
  | { readonly kind: 'unknown'; readonly reason: string }
  | { readonly kind: 'forged'; readonly reason: string }

/** Judges the OpenPGP signature of an InRelease that was published at a time. */
export type SignatureJudge = (inRelease: Buffer, publishedAtMs: number) => Promise<SignatureVerdict>

/** @returns the verdict on the signature; null when it cannot even be read. */
export async function checkSignedIndex(
  log: ReleaseLog,
  release: Release,
  judge: SignatureJudge,
  findings: Findings,
): Promise<SignatureVerdict | null> {
  const { number, signedIndexBlock: block, indexes } = release
  const position = { block, release: number }
  try {
    const inRelease = await readSignedIndex(log, block)
    const { sha256, date, validUntil } = parseRelease(clearText(inRelease).toString())
    if (date !== release.releasedAtMs || validUntil !== release.validUntilMs) {
      findings.fault('IN_RELEASE_INVALID', `release ${number} does not state the dates of its InRelease`, position)
    }
    for (const { path, byteLength, digest } of indexes) {
      const signed = sha256.get(path)
      if (signed?.digest === digestHex(digest) && signed.byteLength === byteLength) continue
      const message = `the InRelease of release ${number} does not name this ${path}`
      findings.fault('INDEX_FILE_UNSIGNED', message, { ...position, path })
    }
    const verdict = await judge(inRelease, release.publishedAtMs)
    if (verdict.kind === 'forged') {
      findings.fault('IN_RELEASE_FORGED', `the InRelease of release ${number}: ${verdict.reason}`, position)
    }
    if (verdict.kind === 'unknown') {
      const message = `the signature of the InRelease of release ${number} was not checked: ${verdict.reason}`
      findings.gap('IN_RELEASE_KEY_UNKNOWN', message, position)
    }
    return verdict
  } catch (error) {
    findings.refused('IN_RELEASE_INVALID', position, error)
    return null
  }
}
