/**
 * Reads a .deb as far as publishing it needs: its control paragraph, its size and its SHA-256.
 *
 * Unpacks the control member only, in memory and within bounds (ARCHIVE_LIMIT); nothing is ever extracted to a disk. A file
 * that dpkg-deb would not install because it is cut short or patched together is DEB_MALFORMED.
 * Source: deb(5), Debian Policy 5.3.
 */
import { open, type FileHandle } from 'node:fs/promises'
import { extract } from 'tar-stream'
import { FreshetError } from '../../schemas/errors.ts'
import * as limits from '../../schemas/limits.ts'
import { parseFields } from '../../schemas/stanza.ts'
import type { DigestHex } from '../../schemas/units.ts'
import { type ArMember, malformed, readArMembers, readAt } from './ar-members.ts'
import { type Compression, decompress } from './decompress.ts'
import { hashFile } from './file-hash.ts'
import { checkPackedMember } from './packed-member.ts'

export interface DebFile {
  readonly path: string
  readonly byteLength: number
  readonly digest: DigestHex
  /** The control paragraph verbatim, without blank lines around it, ended by one line feed. */
  readonly control: Buffer
  /** Its fields, decoded; see schemas/stanza.ts. */
  readonly fields: ReadonlyMap<string, string>
}

const VERSION = /^2\.[0-9]+\n/
const CONTROL = /^control\.tar(\.(?:gz|xz|zst))?$/
const DATA = /^data\.tar(\.[a-z0-9]+)?$/
const COMPRESSIONS: Readonly<Record<string, Compression>> = { '': 'none', '.gz': 'gz', '.xz': 'xz', '.zst': 'zst' }
/** Any small member may unpack to this much, whatever the ratio. */
const UNPACKED_BYTES_FREE = 1024 * 1024

/** @throws FreshetError DEB_MALFORMED, ARCHIVE_LIMIT, SOURCE_UNAVAILABLE */
export async function readDeb(path: string): Promise<DebFile> {
  try {
    const handle = await open(path, 'r')
    let control: Buffer
    try {
      control = await readControl(handle, path)
    } finally {
      await handle.close()
    }
    return { path, control, fields: readFields(control, path), ...(await hashFile(path)) }
  } catch (error) {
    if (error instanceof FreshetError) throw error
    throw new FreshetError('SOURCE_UNAVAILABLE', `${path} cannot be read: ${String(error)}`, { path }, error)
  }
}

async function readControl(handle: FileHandle, path: string): Promise<Buffer> {
  const { size } = await handle.stat()
  if (size > limits.ARTIFACT_BYTES_MAX) {
    throw new FreshetError('ARCHIVE_LIMIT', `${path} has ${size} bytes, more than ${limits.ARTIFACT_BYTES_MAX}`, {
      path,
    })
  }
  const members = await readArMembers(handle, size, path)
  const [first] = members
  if (first?.name !== 'debian-binary') throw malformed(path, 'its first member is not debian-binary')
  const version = await readAt(handle, first.byteOffset, Math.min(first.byteLength, 16))
  if (!VERSION.test(version.toString('latin1'))) throw malformed(path, 'its format version is not 2')
  // Members whose name begins with an underscore may stand between; everything after data is for others.
  const named = members.slice(1).filter(({ name }) => !name.startsWith('_'))
  const [control, data] = named
  const controlSuffix = control === undefined ? null : CONTROL.exec(control.name)
  const dataSuffix = data === undefined ? null : DATA.exec(data.name)
  if (control === undefined || controlSuffix === null) throw malformed(path, 'it has no control member')
  if (data === undefined || dataSuffix === null) throw malformed(path, 'it has no data member')
  await checkPackedMember(handle, data, dataSuffix[1] ?? '', path)
  const tar = await unpackControl(handle, control, controlSuffix[1] ?? '', path)
  return trimLines(await findControl(tar, path))
}

function trimLines(control: Buffer): Buffer {
  return Buffer.from(`${control.toString('latin1').replace(/^\n+|\n+$/g, '')}\n`, 'latin1')
}

async function unpackControl(handle: FileHandle, member: ArMember, suffix: string, path: string): Promise<Buffer> {
  if (member.byteLength > limits.DEB_CONTROL_PACKED_BYTES_MAX) {
    const reason = `the control member has ${member.byteLength} bytes, more than ${limits.DEB_CONTROL_PACKED_BYTES_MAX}`
    throw new FreshetError('ARCHIVE_LIMIT', `${path}: ${reason}`, { path })
  }
  await checkPackedMember(handle, member, suffix, path)
  const packed = await readAt(handle, member.byteOffset, member.byteLength)
  const byRatio = Math.max(UNPACKED_BYTES_FREE, packed.length * limits.DEB_CONTROL_RATIO_MAX)
  const bound = Math.min(limits.DEB_CONTROL_UNPACKED_BYTES_MAX, byRatio)
  try {
    return await decompress(COMPRESSIONS[suffix] ?? 'none', packed, bound, `${path}: ${member.name}`)
  } catch (error) {
    if (error instanceof FreshetError && error.code === 'ARCHIVE_LIMIT') throw error
    throw malformed(path, `member ${member.name} cannot be unpacked`, error)
  }
}

async function findControl(tar: Buffer, path: string): Promise<Buffer> {
  const archive = extract()
  archive.end(tar)
  let control: Buffer | null = null
  let entries = 0
  try {
    for await (const entry of archive) {
      if (++entries > limits.DEB_CONTROL_ENTRIES_MAX) {
        const reason = `the control member has more than ${limits.DEB_CONTROL_ENTRIES_MAX} files`
        throw new FreshetError('ARCHIVE_LIMIT', `${path}: ${reason}`, { path })
      }
      const isControl = entry.header.name.replace(/^\.\//, '') === 'control' && entry.header.type === 'file'
      if (isControl && (entry.header.size ?? 0) > limits.STANZA_BYTES_MAX) {
        throw new FreshetError('ARCHIVE_LIMIT', `${path}: control has more than ${limits.STANZA_BYTES_MAX} bytes`, {
          path,
        })
      }
      const chunks: Buffer[] = []
      for await (const chunk of entry) if (isControl) chunks.push(chunk as Buffer)
      if (isControl) control = Buffer.concat(chunks)
    }
  } catch (error) {
    if (error instanceof FreshetError) throw error
    throw malformed(path, `the control member is no whole tar archive: ${String(error)}`, error)
  }
  if (control === null) throw malformed(path, 'the control member has no file control')
  return control
}

function readFields(control: Buffer, path: string): Map<string, string> {
  try {
    return parseFields(control, 'control')
  } catch (error) {
    throw malformed(path, error instanceof Error ? error.message : String(error), error)
  }
}
