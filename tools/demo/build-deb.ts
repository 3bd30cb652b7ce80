/**
 * Builds a small .deb without dpkg: ar, tar and gzip in memory. Equal input gives equal bytes.
 *
 * For the demo and for tests, on machines of any distribution. Makes plain packages: files, no scripts, owned by root.
 * Source: deb(5), ar(5).
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'

export interface DebDescription {
  readonly name: string
  readonly version: string
  readonly architecture: string
  /** Path below / → content. */
  readonly files?: Readonly<Record<string, string | Buffer>>
  /** Further control fields in order, such as Depends. */
  readonly fields?: Readonly<Record<string, string>>
  /** `gz` (default), or plain tar. */
  readonly compression?: 'gz' | 'none'
}

/** Timestamps of everything inside: a build at another time is not another package. */
const BUILT_AT = new Date('2024-01-01T00:00:00Z')
const BUILT_AT_S = String(BUILT_AT.getTime() / 1000)

/** Writes NAME_VERSION_ARCHITECTURE.deb below `directory`, which is made. @returns its path. */
export async function buildDeb(directory: string, description: DebDescription): Promise<string> {
  const { name, version, architecture } = description
  const path = join(directory, `${name}_${version.replace(/^\d+:/, '')}_${architecture}.deb`)
  await mkdir(directory, { recursive: true })
  await writeFile(path, await debBytes(description))
  return path
}

export async function debBytes(description: DebDescription): Promise<Buffer> {
  const suffix = description.compression === 'none' ? '' : '.gz'
  const control = await tarOf({ control: controlOf(description) })
  const data = await tarOf(description.files ?? {})
  return arOf([
    ['debian-binary', Buffer.from('2.0\n')],
    [`control.tar${suffix}`, suffix === '' ? control : gzipSync(control)],
    [`data.tar${suffix}`, suffix === '' ? data : gzipSync(data)],
  ])
}

/** An ar archive of `members` in order. */
export function arOf(members: readonly (readonly [string, Buffer])[]): Buffer {
  const parts: Buffer[] = [Buffer.from('!<arch>\n')]
  for (const [name, bytes] of members) {
    const header = [
      name.padEnd(16),
      BUILT_AT_S.padEnd(12),
      '0'.padEnd(6),
      '0'.padEnd(6),
      '100644'.padEnd(8),
      String(bytes.length).padEnd(10),
      '`\n',
    ]
    parts.push(Buffer.from(header.join(''), 'latin1'), bytes)
    if (bytes.length % 2 === 1) parts.push(Buffer.from('\n'))
  }
  return Buffer.concat(parts)
}

function controlOf({ name, version, architecture, files = {}, fields = {} }: DebDescription): string {
  const installedBytes = Object.values(files).reduce((sum, content) => sum + Buffer.byteLength(content), 0)
  const lines = {
    Package: name,
    Version: version,
    Architecture: architecture,
    Maintainer: 'Nobody <nobody@example.org>',
    'Installed-Size': String(Math.ceil(installedBytes / 1024)),
    ...fields,
    Description: fields['Description'] ?? `${name}, made up`,
  }
  return Object.entries(lines)
    .map(([field, value]) => `${field}: ${value}\n`)
    .join('')
}

/** Every folder on the way gets an entry of its own, as dpkg expects. */
async function tarOf(files: Readonly<Record<string, string | Buffer>>): Promise<Buffer<ArrayBuffer>> {
  const archive = pack()
  const folders = new Set<string>()
  const owner = { mtime: BUILT_AT, uid: 0, gid: 0, uname: 'root', gname: 'root' }
  const addFolder = (path: string): void => {
    if (folders.has(path)) return
    if (path !== '.') addFolder(dirname(path))
    folders.add(path)
    archive.entry({ ...owner, name: path === '.' ? './' : `./${path}/`, type: 'directory', mode: 0o755 })
  }
  addFolder('.')
  for (const [path, content] of Object.entries(files)) {
    const relative = path.replace(/^\/+/, '')
    addFolder(dirname(relative))
    archive.entry({ ...owner, name: `./${relative}`, mode: 0o644 }, Buffer.from(content))
  }
  archive.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of archive) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
