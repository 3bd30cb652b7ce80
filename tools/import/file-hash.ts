/** SHA-256 of bytes at hand and of whole files, as the names that artifacts have. */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { digestHex, type DigestHex } from '../../schemas/units.ts'

/** Read at once: large enough that the disk does not matter, small enough that a few files at once do not either. */
const READ_BYTES = 1024 * 1024

export function hash(bytes: Uint8Array): DigestHex {
  return digestHex(createHash('sha256').update(bytes).digest())
}

/** Errors are the system's own. */
export async function hashFile(path: string): Promise<{ digest: DigestHex; byteLength: number }> {
  const handle = await open(path, 'r')
  try {
    const hasher = createHash('sha256')
    const buffer = Buffer.allocUnsafe(READ_BYTES)
    let byteLength = 0
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, READ_BYTES, byteLength)
      if (bytesRead === 0) return { digest: digestHex(hasher.digest()), byteLength }
      hasher.update(buffer.subarray(0, bytesRead))
      byteLength += bytesRead
    }
  } finally {
    await handle.close()
  }
}
