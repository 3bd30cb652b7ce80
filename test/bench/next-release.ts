/**
 * A repository in a folder that is the real index with 200 stanzas changed: 190 upgrades, 5 packages more, 5 fewer.
 *
 * Its Release file is the real one, every line of it, with the lines of the edited index replaced, so that it has the size
 * of a real one; signed by a key made here. The .debs that it names do not exist.
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { clearText } from '../../schemas/clear-text.ts'
import { splitStanzas } from '../../schemas/stanza.ts'
import { clearSign, createSigningKey } from '../../tools/import/openpgp.ts'
import { aptLists, INDEX, SUITE } from './debian.ts'

export const UPGRADED = 190
export const ADDED = 5
export const REMOVED = 5

export interface NextRelease {
  readonly directory: string
  readonly keyring: string
  readonly index: Buffer
  readonly inReleaseBytes: number
}

/** `generation` numbers the releases made from one index: each changes the same packages again. */
export async function writeNextRelease(directory: string, index: Buffer, generation = 1): Promise<NextRelease> {
  const edited = editIndex(index, generation)
  const { privateKey, publicKey } = await createSigningKey('benchmark')
  const signedText = clearText(await readFile(aptLists().inRelease)).toString()
  const inRelease = await clearSign(withIndex(signedText, edited, generation), privateKey)
  const dists = join(directory, 'dists', SUITE)
  await mkdir(dirname(join(dists, INDEX)), { recursive: true })
  await writeFile(join(dists, INDEX), edited)
  await writeFile(join(dists, 'InRelease'), inRelease)
  const keyring = join(directory, 'key.asc')
  await writeFile(keyring, publicKey)
  return { directory, keyring, index: edited, inReleaseBytes: inRelease.byteLength }
}

/** Spread evenly over the index, as a day's uploads are. */
function editIndex(index: Buffer, generation: number): Buffer {
  const offsets = splitStanzas(index)
  const total = offsets.length - 1
  const step = Math.floor(total / (UPGRADED + ADDED + REMOVED))
  const stanzas: Buffer[] = []
  for (let i = 0; i < total; i++) {
    const stanza = index.subarray(offsets[i], offsets[i + 1])
    const turn = i % step === 0 ? i / step : -1
    if (turn >= 0 && turn < UPGRADED) stanzas.push(upgrade(stanza, generation))
    else if (turn >= UPGRADED && turn < UPGRADED + ADDED) stanzas.push(stanza, another(stanza, generation))
    else if (turn >= UPGRADED + ADDED && turn < UPGRADED + ADDED + REMOVED) continue
    else stanzas.push(stanza)
  }
  return Buffer.concat(stanzas)
}

/** A new build of the package: version, file name, size and every checksum differ. */
export function upgrade(stanza: Buffer, generation: number): Buffer {
  const [, version = ''] = /^Version: (.*)$/m.exec(stanza.toString()) ?? []
  const next = `${version}+b${generation}`
  const plain = version.replace(/^\d+:/, '')
  const text = stanza
    .toString()
    .replace(/^Version: .*$/m, `Version: ${next}`)
    .replace(/^Filename: .*$/m, (line) => line.replace(plain, `${plain}+b${generation}`))
    .replace(/^Size: (\d+)$/m, (_, size: string) => `Size: ${Number(size) + generation}`)
  return Buffer.from(withNewChecksums(text, next))
}

/** One package more, like this one. */
export function another(stanza: Buffer, generation: number): Buffer {
  const text = stanza
    .toString()
    .replace(/^Package: (.*)$/m, `Package: $1-more${generation}`)
    .replace(/^Filename: .*\/([^/]+)$/m, `Filename: pool/main/m/more/more${generation}-$1`)
  return Buffer.from(withNewChecksums(text, `more ${generation}`))
}

function withNewChecksums(text: string, salt: string): string {
  const [, name = ''] = /^Package: (.*)$/m.exec(text) ?? []
  const digest = (algorithm: string): string => createHash(algorithm).update(`${name} ${salt}`).digest('hex')
  return text
    .replace(/^SHA256: .*$/m, `SHA256: ${digest('sha256')}`)
    .replace(/^MD5sum: .*$/m, `MD5sum: ${digest('md5')}`)
}

/** A Release file with another index in it, dated `generation` seconds later. */
export function withIndex(release: string, index: Buffer, generation: number): string {
  const changed = release
    .replace(/^Date: .*$/m, (line) => {
      const atMs = Date.parse(line.slice('Date: '.length)) + generation * 1000
      return `Date: ${new Date(atMs).toUTCString().replace('GMT', 'UTC')}`
    })
    .split('\n')
    .map((line) => {
      const [, hex = '', path = ''] = /^ ([0-9a-f]{32,64}) +\d+ (.*)$/.exec(line) ?? []
      if (!path.startsWith(INDEX)) return line
      const algorithm = hex.length === 32 ? 'md5' : hex.length === 40 ? 'sha1' : 'sha256'
      // Of the packed forms only the lines are needed: nobody asks for them where the plain one is there.
      const content = path === INDEX ? index : Buffer.from(`${path} ${generation}`)
      const digest = createHash(algorithm).update(content).digest('hex')
      return ` ${digest} ${String(content.byteLength).padStart(8)} ${path}`
    })
  return changed.join('\n')
}
