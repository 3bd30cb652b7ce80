/**
 * Keyrings: reading files of OpenPGP public keys, and finding the ones that apt trusts on this machine.
 *
 * A file is binary (.gpg) or ASCII-armoured (.asc, possibly several blocks). GnuPG's keybox (.kbx) is not a keyring that
 * apt takes either. The default, where neither the user nor an entry of sources.list names a keyring: all of
 * /usr/share/keyrings/*-archive-keyring.* (what distributions install), then /etc/apt/trusted.gpg and trusted.gpg.d.
 * A found file that cannot be read is passed over, as apt does; one that was asked for by name is an error.
 */
import { open, readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import * as openpgp from 'openpgp'
import { FreshetError } from '../../schemas/errors.ts'
import { KEYRING_BYTES_MAX } from '../../schemas/limits.ts'

const ARMOR_BLOCK = /-----BEGIN PGP PUBLIC KEY BLOCK-----[\s\S]*?-----END PGP PUBLIC KEY BLOCK-----/g
const KEYBOX_MAGIC = 'KBXf'
const DISTRIBUTION_KEYRINGS = '/usr/share/keyrings'
const APT_TRUSTED = '/etc/apt/trusted.gpg'
const APT_TRUSTED_PARTS = '/etc/apt/trusted.gpg.d'

/** Reading Debian's keyring takes longer than verifying a signature with it, and an audit verifies thousands. */
const read = new WeakMap<Buffer, Promise<openpgp.PublicKey[]>>()

/** `file` must not be changed afterwards. @throws FreshetError KEYRING_INVALID */
export function readKeyring(file: Buffer): Promise<openpgp.PublicKey[]> {
  const known = read.get(file)
  if (known !== undefined) return known
  const reading = parseKeyring(file)
  read.set(file, reading)
  return reading
}

async function parseKeyring(file: Buffer): Promise<openpgp.PublicKey[]> {
  if (file.toString('latin1', 8, 12) === KEYBOX_MAGIC) {
    throw invalid('it is a GnuPG keybox: export its keys with gpg --export')
  }
  try {
    const text = file.toString('latin1')
    const blocks = text.match(ARMOR_BLOCK)
    const lists =
      blocks === null
        ? [await openpgp.readKeys({ binaryKeys: file })]
        : await Promise.all(blocks.map((armoredKeys) => openpgp.readKeys({ armoredKeys })))
    const keys = lists.flat()
    if (keys.length === 0) throw new Error('it holds no key')
    if (keys.some((key) => key.isPrivate())) throw new Error('it holds a private key')
    return keys
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error), error)
  }
}

/**
 * Reads keyrings that were named.
 * @throws FreshetError SOURCE_UNAVAILABLE, KEYRING_INVALID
 */
export async function loadKeyrings(paths: readonly string[]): Promise<Buffer[]> {
  const files: Buffer[] = []
  for (const path of paths) {
    const file = await readBounded(path).catch((error: unknown) => {
      if (error instanceof FreshetError) throw error
      throw new FreshetError(
        'SOURCE_UNAVAILABLE',
        `the keyring ${path} cannot be read: ${String(error)}`,
        { path },
        error,
      )
    })
    try {
      await readKeyring(file)
    } catch (error) {
      throw new FreshetError(
        'KEYRING_INVALID',
        `${path}: ${error instanceof Error ? error.message : String(error)}`,
        { path },
        error,
      )
    }
    files.push(file)
  }
  return files
}

/**
 * The keyrings of this machine, see above.
 * @throws FreshetError KEYRING_INVALID when there is none
 */
export async function defaultKeyrings(): Promise<Buffer[]> {
  const distribution = (await namesOf(DISTRIBUTION_KEYRINGS)).filter((name) =>
    /-archive-keyring\.(?:gpg|pgp|asc)$/.test(name),
  )
  const trusted = (await namesOf(APT_TRUSTED_PARTS)).filter((name) => /\.(?:gpg|asc)$/.test(name))
  const paths = [
    ...distribution.map((name) => join(DISTRIBUTION_KEYRINGS, name)),
    APT_TRUSTED,
    ...trusted.map((name) => join(APT_TRUSTED_PARTS, name)),
  ]
  const found: Buffer[] = []
  for (const path of paths) {
    const [file] = await loadKeyrings([path]).catch(() => []) // absent, or a kind that apt ignores too
    if (file !== undefined) found.push(file)
  }
  if (found.length === 0) {
    throw new FreshetError('KEYRING_INVALID', 'no keyring was found on this machine: name one with --keyring FILE')
  }
  return found
}

async function readBounded(path: string): Promise<Buffer> {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat()
    if (size > KEYRING_BYTES_MAX) {
      throw new FreshetError('KEYRING_INVALID', `${basename(path)} has ${size} bytes, more than ${KEYRING_BYTES_MAX}`)
    }
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}

async function namesOf(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort()
  } catch {
    return [] // a machine without apt does not have it
  }
}

function invalid(reason: string, cause?: unknown): FreshetError {
  return new FreshetError('KEYRING_INVALID', `not a keyring: ${reason}`, {}, cause)
}
