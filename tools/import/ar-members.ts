/**
 * Members of an ar archive, read from their headers alone: names, places and lengths.
 *
 * Strict where dpkg-deb is: the members must cover the file exactly, so a truncated or extended file is refused before
 * anything in it is looked at. Source: deb(5), ar(5) (common format, no long names: a .deb has none).
 */
import type { FileHandle } from 'node:fs/promises'
import { FreshetError } from '../../schemas/errors.ts'
import { DEB_MEMBERS_MAX } from '../../schemas/limits.ts'

export interface ArMember {
  readonly name: string
  readonly byteOffset: number
  readonly byteLength: number
}

const MAGIC = '!<arch>\n'
const HEADER_BYTES = 60
const HEADER_END = '`\n'
const SIZE = /^[0-9]{1,10} *$/

/** @throws FreshetError DEB_MALFORMED, ARCHIVE_LIMIT */
export async function readArMembers(handle: FileHandle, fileByteLength: number, path: string): Promise<ArMember[]> {
  if ((await readAt(handle, 0, MAGIC.length)).toString('latin1') !== MAGIC) {
    throw malformed(path, 'it does not begin as an ar archive')
  }
  const members: ArMember[] = []
  let at = MAGIC.length
  while (at < fileByteLength) {
    const header = (await readAt(handle, at, HEADER_BYTES)).toString('latin1')
    const size = header.slice(48, 58)
    if (header.length < HEADER_BYTES) throw malformed(path, `it ends within a header, at byte ${at}`)
    if (!header.endsWith(HEADER_END) || !SIZE.test(size)) throw malformed(path, `no member header at byte ${at}`)
    const name = header.slice(0, 16).trimEnd().replace(/\/$/, '')
    const byteLength = Number(size)
    const byteOffset = at + HEADER_BYTES
    const end = byteOffset + byteLength
    if (end > fileByteLength) {
      throw malformed(path, `member ${JSON.stringify(name)} ends at byte ${end}, the file at ${fileByteLength}`)
    }
    if (members.length === DEB_MEMBERS_MAX) {
      throw new FreshetError('ARCHIVE_LIMIT', `${path} has more than ${DEB_MEMBERS_MAX} members`, { path })
    }
    members.push({ name, byteOffset, byteLength })
    at = end + (end % 2) // members begin at even offsets; the last one may lack its padding
  }
  return members
}

/** @returns fewer bytes than asked for at the end of the file. */
export async function readAt(handle: FileHandle, byteOffset: number, byteLength: number): Promise<Buffer> {
  const bytes = Buffer.alloc(byteLength)
  let filled = 0
  while (filled < byteLength) {
    const { bytesRead } = await handle.read(bytes, filled, byteLength - filled, byteOffset + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return bytes.subarray(0, filled)
}

export function malformed(path: string, reason: string, cause?: unknown): FreshetError {
  return new FreshetError('DEB_MALFORMED', `${path}: ${reason}`, { path }, cause)
}
