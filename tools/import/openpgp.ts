/**
 * OpenPGP as repositories use it: verify a clear-signed Release, and sign one with a channel's own key.
 *
 * The rule is apt's: at least one good signature by a key of the keyring, and none that is bad. A signature that says
 * nothing (unknown, expired or revoked key, broken hash) neither helps nor harms beside a good one.
 * A key that has expired by now does not count, whatever the date of the signature (gpgv calls that EXPKEYSIG).
 * Which text a signature covers is decided by schemas/clear-text.ts alone, never by the OpenPGP library: what is returned
 * is what was hashed, so a caller who reads only that reads only what was signed.
 * Source: RFC 9580 (5.2, 7), gnupg doc/DETAILS, apt methods/gpgv.cc.
 */
import * as openpgp from 'openpgp'
import { clearText } from '../../schemas/clear-text.ts'
import { FreshetError, type ErrorCode } from '../../schemas/errors.ts'
import { RELEASE_SIGNATURES_MAX } from '../../schemas/limits.ts'
import { readKeyring } from './keyring.ts'

export interface VerifiedText {
  /** The signed text, line by line as it was signed; see schemas/clear-text.ts. */
  readonly text: Buffer
  /** Fingerprints of the primary keys of the good signatures, 40 upper-case hex characters. */
  readonly signers: readonly string[]
}

export interface SigningKey {
  /** ASCII-armoured, not protected by a passphrase. */
  readonly privateKey: string
  readonly publicKey: string
}

interface Verdict {
  readonly kind: 'good' | 'bad' | 'expired' | 'refused' | 'unknown'
  /** Primary key where it is known, else the id that the signature names. */
  readonly key: string
  readonly reason: string
}

const BROKEN_HASHES = new Set<openpgp.enums.hash | null>([
  null,
  openpgp.enums.hash.md5,
  openpgp.enums.hash.sha1,
  openpgp.enums.hash.ripemd,
])
const SIGNATURE_BEGIN = '-----BEGIN PGP SIGNATURE-----'

/** Without a good signature the worst thing found names the error; expiry first, because it has the plainest remedy. */
const CODES: readonly (readonly [Verdict['kind'], ErrorCode])[] = [
  ['expired', 'SIGNATURE_EXPIRED'],
  ['refused', 'SIGNATURE_REFUSED'],
  ['unknown', 'SIGNATURE_UNKNOWN'],
]

/**
 * @param keyring files of public keys, binary or ASCII-armoured; a key in any of them is trusted.
 * @throws FreshetError SIGNATURE_* or KEYRING_INVALID
 */
export async function verifyClearSigned(
  inRelease: Buffer,
  keyring: readonly Buffer[],
  nowMs: number,
): Promise<VerifiedText> {
  const text = clearText(inRelease)
  const packets = await readSignatures(inRelease)
  const keys = (await Promise.all(keyring.map((file) => readKeyring(file)))).flat()
  const message = await openpgp.createMessage({ binary: canonical(text) })
  const data = message.packets[0] as unknown as object
  const verdicts: Verdict[] = []
  for (const packet of packets) verdicts.push(await judge(packet, data, keys, new Date(nowMs)))
  const bad = verdicts.find(({ kind }) => kind === 'bad')
  if (bad !== undefined) throw refusal('SIGNATURE_BAD', [bad])
  const good = verdicts.filter(({ kind }) => kind === 'good')
  if (good.length > 0) return { text, signers: [...new Set(good.map(({ key }) => key))] }
  const [, code] = CODES.find(([kind]) => verdicts.some((verdict) => verdict.kind === kind)) ?? CODES[2]!
  throw refusal(code, verdicts)
}

/** A version 4 Ed25519 key that signs and does nothing else; gpgv 2.2 and every apt that knows InRelease accept it. */
export async function createSigningKey(name: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await openpgp.generateKey({
    type: 'ecc',
    curve: 'ed25519Legacy',
    userIDs: [{ name }],
    subkeys: [],
    format: 'armored',
    config: { v6Keys: false },
  })
  return { privateKey, publicKey }
}

/**
 * @param text lines ended by a line feed, without trailing blanks: anything else would not survive the clear-text form.
 * @param privateKey ASCII-armoured, as `createSigningKey` returns it.
 * @throws FreshetError KEYRING_INVALID for an unusable key; RELEASE_MALFORMED for a text that would not survive
 */
export async function clearSign(text: string, privateKey: string): Promise<Buffer> {
  const message = await openpgp.createCleartextMessage({ text: text.replace(/\n$/, '') })
  let signed: string
  try {
    const signingKeys = await openpgp.readPrivateKey({ armoredKey: privateKey })
    const config = { preferredHashAlgorithm: openpgp.enums.hash.sha512 }
    signed = await openpgp.sign({ message, signingKeys, config })
  } catch (error) {
    throw new FreshetError('KEYRING_INVALID', `the private key cannot sign: ${reasonOf(error)}`, {}, error)
  }
  // The library writes the text with CRLF (as it is hashed) and the rest with LF; apt expects one kind of line.
  const file = Buffer.from(signed.replace(/\r\n/g, '\n'), 'utf8')
  if (!clearText(file).equals(Buffer.from(text, 'utf8'))) {
    throw new FreshetError(
      'RELEASE_MALFORMED',
      'the text to sign has trailing blanks, carriage returns or no last line feed',
    )
  }
  return file
}

/** RFC 9580, 7.2: lines are separated by CRLF, and the line break before the armour is not signed. */
function canonical(text: Buffer): Buffer {
  return Buffer.from(text.toString('latin1').replace(/\n$/, '').replaceAll('\n', '\r\n'), 'latin1')
}

async function readSignatures(inRelease: Buffer): Promise<openpgp.SignaturePacket[]> {
  const armoredSignature = inRelease.toString('latin1', inRelease.lastIndexOf(SIGNATURE_BEGIN))
  let packets: readonly object[]
  try {
    const { packets: list } = await openpgp.readSignature({ armoredSignature })
    packets = list
  } catch (error) {
    throw new FreshetError('SIGNATURE_BAD', `the signature cannot be read: ${reasonOf(error)}`, {}, error)
  }
  if (packets.length === 0) throw new FreshetError('SIGNATURE_MISSING', 'the signature block holds no signature')
  if (packets.length > RELEASE_SIGNATURES_MAX) {
    const count = packets.length
    throw new FreshetError('SIGNATURE_BAD', `${count} signatures, more than ${RELEASE_SIGNATURES_MAX}`, { count })
  }
  // Versions and algorithms that the library does not know come as another class: nobody's word, like an unknown key.
  const known = packets.filter((packet) => packet instanceof openpgp.SignaturePacket)
  if (known.length === 0) throw new FreshetError('SIGNATURE_UNKNOWN', 'no signature is of a version known here')
  return known
}

async function judge(
  packet: openpgp.SignaturePacket,
  data: object,
  keys: readonly openpgp.PublicKey[],
  now: Date,
): Promise<Verdict> {
  const id = packet.issuerKeyID
  const named = id.toHex().toUpperCase()
  const type = packet.signatureType
  if (type !== openpgp.enums.signature.text && type !== openpgp.enums.signature.binary) {
    return { kind: 'bad', key: named, reason: `it is a signature of type ${type}, not over a document` }
  }
  let verdict: Verdict = { kind: 'unknown', key: named, reason: 'its key is not in the keyring' }
  // Key ids are 64 bits and can collide on purpose: every key that could be meant is tried, one good one suffices.
  for (const key of keys) {
    const [part] = key.getKeys(id)
    if (part === undefined) continue
    const primary = key.getFingerprint().toUpperCase()
    const fault = (await faultOf(packet, type, part, data)) ?? (await keyFault(key, part, packet, now))
    if (fault === null) return { kind: 'good', key: primary, reason: '' }
    verdict = { ...fault, key: primary }
  }
  return verdict
}

type Fault = Pick<Verdict, 'kind' | 'reason'>
type KeyPart = ReturnType<openpgp.PublicKey['getKeys']>[number]

/** Arithmetic only, no dates. */
async function faultOf(
  packet: openpgp.SignaturePacket,
  type: openpgp.enums.signature,
  part: KeyPart,
  data: object,
): Promise<Fault | null> {
  if (BROKEN_HASHES.has(packet.hashAlgorithm)) {
    return { kind: 'refused', reason: `it uses hash algorithm ${packet.hashAlgorithm}, which is broken` }
  }
  try {
    // A null date leaves the dates out; the types of the library only know undefined, which means now.
    await packet.verify(part.keyPacket, type, data, null as unknown as Date, true)
    return null
  } catch (error) {
    return { kind: 'bad', reason: reasonOf(error) }
  }
}

/** Whether the key may still speak. `now`, not the date of the signature, because a stolen key can date as it likes. */
async function keyFault(
  key: openpgp.PublicKey,
  part: KeyPart,
  packet: openpgp.SignaturePacket,
  now: Date,
): Promise<Fault | null> {
  if (packet.getExpirationTime() <= now) return { kind: 'expired', reason: 'the signature has expired' }
  if (await key.isRevoked(undefined, undefined, now)) return { kind: 'refused', reason: 'the key is revoked' }
  const expiry = await key.getExpirationTime()
  if (expiry !== null && expiry <= now) return { kind: 'expired', reason: `the key expired ${dayOf(expiry)}` }
  if (part instanceof openpgp.Subkey) {
    const subkeyExpiry = await part.getExpirationTime(null as unknown as Date)
    if (subkeyExpiry !== null && subkeyExpiry <= now) {
      return { kind: 'expired', reason: `the signing subkey expired ${dayOf(subkeyExpiry)}` }
    }
  }
  try {
    await key.getSigningKey(packet.issuerKeyID, now)
    return null
  } catch (error) {
    return { kind: 'refused', reason: reasonOf(error) }
  }
}

function refusal(code: ErrorCode, verdicts: readonly Verdict[]): FreshetError {
  const reasons = verdicts.map(({ key, reason }) => `signature of ${key}: ${reason}`)
  return new FreshetError(code, reasons.join('; '), { keys: verdicts.map(({ key }) => key).join(' ') })
}

function dayOf(time: Date | number): string {
  return new Date(time).toISOString().slice(0, 10)
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
