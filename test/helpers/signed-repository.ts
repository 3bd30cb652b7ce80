/** Writes a real, signed Debian repository into a directory: pool, Packages in several forms, by-hash, InRelease. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type ListedFile, writeRelease } from '../../schemas/release-file.ts'
import { scanPackages } from '../../schemas/stanza.ts'
import { hash } from '../../tools/import/file-hash.ts'
import { clearSign, createSigningKey, type SigningKey } from '../../tools/import/openpgp.ts'
import { buildDeb, type DebDescription } from '../../tools/demo/build-deb.ts'
import { importDebDir } from '../../tools/import/deb-dir.ts'

export interface RepositoryDescription {
  readonly suite?: string
  /** Component → packages. */
  readonly components: Readonly<Record<string, readonly DebDescription[]>>
  /** Which forms of each Packages exist as files; all of them are signed. Default: plain and .gz. */
  readonly forms?: readonly ('' | '.gz')[]
  readonly byHash?: boolean
  readonly validUntil?: number | null
  readonly key?: SigningKey
  /** Changes bytes of a Packages before it is signed. */
  readonly edit?: (packages: string) => string | Buffer
}

export interface SignedRepository {
  readonly root: string
  readonly key: SigningKey
  readonly keyring: Buffer
  /** Path below dists/SUITE/ → plain bytes. */
  readonly indexes: ReadonlyMap<string, Buffer>
  /** Paths of the .debs inside the repository. */
  readonly filenames: readonly string[]
}

/** `root` is made. */
export async function writeRepository(root: string, description: RepositoryDescription): Promise<SignedRepository> {
  const { suite = 'test', forms = ['', '.gz'], byHash = false, validUntil = null, edit } = description
  const key = description.key ?? (await createSigningKey('test repository'))
  const indexes = new Map<string, Buffer>()
  const listed = new Map<string, ListedFile>()
  const filenames: string[] = []
  for (const [component, packages] of Object.entries(description.components)) {
    const debs = join(root, 'incoming', component)
    for (const deb of packages) await buildDeb(debs, deb)
    const draft = await importDebDir({
      directory: debs,
      suite,
      component,
      architecture: 'amd64',
      sign: async (text) => Buffer.from(text),
    })
    const sources = new Map(draft.artifacts.map(({ digest, sourcePath }) => [digest, sourcePath]))
    for (const index of draft.indexes) {
      scanPackages(index.bytes, index.path, (_, { filename, digest }) => {
        mkdirSync(join(root, dirname(filename)), { recursive: true })
        cpSync(sources.get(digest) ?? '', join(root, filename))
        filenames.push(filename)
      })
      const bytes = edit === undefined ? index.bytes : Buffer.from(edit(index.bytes.toString()) as string)
      indexes.set(index.path, bytes)
      for (const form of ['', '.gz'] as const) {
        const file = form === '' ? bytes : gzipSync(bytes)
        listed.set(`${index.path}${form}`, { byteLength: file.length, digest: hash(file) })
        if (!forms.includes(form)) continue
        const path = join(root, 'dists', suite, `${index.path}${form}`)
        const hashed = join(dirname(path), 'by-hash/SHA256')
        mkdirSync(hashed, { recursive: true })
        writeFileSync(path, file)
        if (byHash) writeFileSync(join(hashed, hash(file)), file)
      }
    }
  }
  const text = writeRelease({
    origin: 'Test',
    label: 'Test',
    suite,
    codename: suite,
    date: Math.floor(Date.now() / 1000) * 1000,
    validUntil,
    architectures: [...new Set([...indexes.keys()].map((path) => /binary-([^/]+)/.exec(path)?.[1] ?? ''))],
    components: Object.keys(description.components),
    description: 'for tests',
    sha256: listed,
  }).replace('Acquire-By-Hash: yes\n', byHash ? 'Acquire-By-Hash: yes\n' : '')
  writeFileSync(join(root, 'dists', suite, 'InRelease'), await clearSign(text, key.privateKey))
  return { root, key, keyring: Buffer.from(key.publicKey), indexes, filenames }
}
