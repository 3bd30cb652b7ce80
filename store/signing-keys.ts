/** OpenPGP private keys of this node's own channels, ASCII-armoured, one file each, readable by the owner only. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FreshetError } from '../schemas/errors.ts'
import { errnoOf, writeDurably } from './durable.ts'

/** Replaces what is there: only call it for a channel that has no genesis yet (ReleaseLog.create sees to that). */
export async function keepSigningKey(directory: string, channel: string, armored: string): Promise<void> {
  await writeDurably(join(directory, `${channel}.asc`), Buffer.from(armored))
}

/** @throws FreshetError KEYRING_INVALID when the key is gone. */
export async function readSigningKey(directory: string, channel: string): Promise<string> {
  const path = join(directory, `${channel}.asc`)
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const errno = errnoOf(error) ?? 'unreadable'
    throw new FreshetError('KEYRING_INVALID', `the signing key ${path} cannot be read (${errno})`, { path }, error)
  }
}
