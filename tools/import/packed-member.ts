/**
 * Is a compressed member of a .deb whole? Told from its structure, without unpacking: magic numbers of every format, and
 * for .xz, which nearly all of them are, the index at its end, whose sizes must add up to exactly the member.
 *
 * Does not find altered bytes inside a block: the file's SHA-256 does that from the moment it is published.
 * Source: The .xz File Format 1.0.4 (2.1.2 footer, 4 index); RFC 1952, RFC 8878.
 */
import type { FileHandle } from 'node:fs/promises'
import { XZ_INDEX_BYTES_MAX } from '../../schemas/limits.ts'
import { type ArMember, malformed, readAt } from './ar-members.ts'

const XZ_MAGIC = Buffer.from('fd377a585a00', 'hex')
const XZ_FOOTER_MAGIC = 'YZ'
const XZ_HEADER_BYTES = 12
const XZ_FOOTER_BYTES = 12
/** Streams and words of padding: one stream is the rule, and each step costs reads. */
const XZ_STEPS_MAX = 4096
const TAR_BLOCK_BYTES = 512
const TAR_MAGIC_AT = 257

/** By suffix of the member's name after `.tar`. LZMA alone has no magic number. */
const MAGICS: Readonly<Record<string, Buffer>> = {
  '.gz': Buffer.from('1f8b', 'hex'),
  '.xz': XZ_MAGIC,
  '.zst': Buffer.from('28b52ffd', 'hex'),
  '.bz2': Buffer.from('BZh', 'latin1'),
  '.lzma': Buffer.alloc(0),
}

/**
 * @param suffix of the member's name after `.tar`; '' for a plain tar.
 * @throws FreshetError DEB_MALFORMED
 */
export async function checkPackedMember(
  handle: FileHandle,
  member: ArMember,
  suffix: string,
  path: string,
): Promise<void> {
  if (suffix === '') {
    const head = await readAt(handle, member.byteOffset, Math.min(TAR_BLOCK_BYTES, member.byteLength))
    const isTar = head.toString('latin1', TAR_MAGIC_AT, TAR_MAGIC_AT + 5) === 'ustar'
    if (isTar && member.byteLength % TAR_BLOCK_BYTES === 0) return
    throw malformed(path, `member ${member.name} is no whole tar archive`)
  }
  const magic = MAGICS[suffix]
  if (magic === undefined) throw malformed(path, `member ${member.name} has an unknown compression`)
  const head = await readAt(handle, member.byteOffset, Math.min(magic.length, member.byteLength))
  if (!head.equals(magic)) throw malformed(path, `member ${member.name} does not begin as ${suffix.slice(1)}`)
  if (suffix === '.xz') await checkXz(handle, member, path)
}

/** Goes backwards from the end, stream by stream. */
async function checkXz(handle: FileHandle, member: ArMember, path: string): Promise<void> {
  const broken = (reason: string) => malformed(path, `member ${member.name} is truncated or altered: ${reason}`)
  let end = member.byteOffset + member.byteLength
  for (let steps = 0; end > member.byteOffset; steps++) {
    if (steps === XZ_STEPS_MAX) throw broken('it has too many streams')
    const least = end - member.byteOffset
    if (least < XZ_HEADER_BYTES + XZ_FOOTER_BYTES) throw broken('it is too short')
    const footer = await readAt(handle, end - XZ_FOOTER_BYTES, XZ_FOOTER_BYTES)
    if (footer.readUInt32LE(8) === 0) {
      end -= 4 // padding of a stream comes in fours
      continue
    }
    if (footer.toString('latin1', 10, 12) !== XZ_FOOTER_MAGIC) throw broken('it has no footer')
    const indexByteLength = (footer.readUInt32LE(4) + 1) * 4
    if (indexByteLength > Math.min(XZ_INDEX_BYTES_MAX, least)) throw broken('its index cannot be there')
    const indexAt = end - XZ_FOOTER_BYTES - indexByteLength
    const blocksByteLength = sumBlocks(await readAt(handle, indexAt, indexByteLength))
    if (blocksByteLength === null) throw broken('its index cannot be read')
    const start = indexAt - blocksByteLength - XZ_HEADER_BYTES
    if (start < member.byteOffset) throw broken('its blocks are longer than the member')
    const header = await readAt(handle, start, XZ_HEADER_BYTES)
    if (!header.subarray(0, 6).equals(XZ_MAGIC) || !header.subarray(6, 8).equals(footer.subarray(8, 10))) {
      throw broken('header and footer differ')
    }
    end = start
  }
}

/** @returns bytes that all blocks take with their padding, or null where `index` is none. */
function sumBlocks(index: Buffer): number | null {
  let at = 1
  let sum = 0
  const number = (): number => {
    let value = 0
    for (let shift = 0; shift < 49; shift += 7) {
      const byte = index[at++] ?? 0
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    return Number.NaN // beyond what a file of 16 GiB can have
  }
  if (index[0] !== 0) return null
  const count = number()
  if (!(count <= index.length / 2)) return null
  for (let block = 0; block < count; block++) {
    sum += Math.ceil(number() / 4) * 4
    number() // unpacked size
  }
  const whole = Math.ceil(at / 4) * 4 + 4 === index.length
  return whole && Number.isSafeInteger(sum) ? sum : null
}
