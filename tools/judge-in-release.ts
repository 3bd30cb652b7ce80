/**
 * Judges the OpenPGP signatures of a channel's past: by keyrings that were named, or by those of this machine and the key that
 * the channel names itself.
 *
 * A key that has expired since could sign then: a release is judged as of today, and else as of when it was published. Keys
 * that were named are the only ones that may have signed; otherwise a key that nobody here has says nothing either way.
 */
import { FreshetError } from '../schemas/errors.ts'
import type { SignatureJudge, SignatureVerdict } from '../store/audit/signed-index.ts'
import { defaultKeyrings, loadKeyrings, readKeyring } from './import/keyring.ts'
import { verifyClearSigned } from './import/openpgp.ts'

export interface TrustedKeys {
  /** Files that were named; empty: the keyrings of this machine, and `channelKey`. */
  readonly named: readonly string[]
  /** ASCII-armoured, from the genesis of the channel; null: it cannot be read. */
  readonly channelKey: Buffer | null
  readonly nowMs: number
}

/** @throws FreshetError KEYRING_INVALID, SOURCE_UNAVAILABLE for a file that was named. */
export async function inReleaseJudge({ named, channelKey, nowMs }: TrustedKeys): Promise<SignatureJudge> {
  const isNamed = named.length > 0
  const own = isNamed ? new Set<string>() : await fingerprintsOf(channelKey)
  const found = isNamed ? await loadKeyrings(named) : await defaultKeyrings().catch(() => []) // a machine without apt
  const keyring = own.size > 0 && channelKey !== null ? [...found, channelKey] : found
  return async (inRelease, publishedAtMs) => {
    const today = await judge(inRelease, keyring, nowMs)
    const then = today.code !== null && DATED.has(today.code) ? await judge(inRelease, keyring, publishedAtMs) : today
    if (then.code === null)
      return { kind: 'good', signers: then.signers, channelKey: then.signers.every((key) => own.has(key)) }
    return verdictOf(then.code, then.reason, isNamed)
  }
}

/** What may have been otherwise when the release was published. */
const DATED: ReadonlySet<string> = new Set(['SIGNATURE_EXPIRED', 'SIGNATURE_REFUSED'])

type Judged =
  | { readonly code: null; readonly signers: readonly string[] }
  | { readonly code: FreshetError['code']; readonly reason: string }

async function judge(inRelease: Buffer, keyring: readonly Buffer[], atMs: number): Promise<Judged> {
  try {
    return { code: null, signers: (await verifyClearSigned(inRelease, keyring, atMs)).signers }
  } catch (error) {
    if (!(error instanceof FreshetError)) throw error
    return { code: error.code, reason: `${error.code}: ${error.message}` }
  }
}

function verdictOf(code: FreshetError['code'], reason: string, isNamed: boolean): SignatureVerdict {
  return { kind: code === 'SIGNATURE_UNKNOWN' && !isNamed ? 'unknown' : 'forged', reason }
}

/** A channel may name no usable key: it then needs another to have signed. */
async function fingerprintsOf(key: Buffer | null): Promise<Set<string>> {
  const keys = key === null ? [] : await readKeyring(key).catch(() => [])
  return new Set(keys.map((each) => each.getFingerprint().toUpperCase()))
}
