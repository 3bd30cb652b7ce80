/** Look-ups in one index file on disk. */
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { Catalogue } from '../../store/catalogue.ts'
import { scratchFolder, stanza } from '../helpers/channel.ts'
import { codeOf } from '../helpers/refusal.ts'

async function catalogueOf(t: Assert, content: string): Promise<Catalogue> {
  const filePath = join(await scratchFolder(t), 'Packages')
  await writeFile(filePath, content)
  const catalogue = await Catalogue.open('main/binary-amd64/Packages', filePath)
  t.teardown(() => catalogue.close(), { order: -1 })
  return catalogue
}

const versionsOf = async (catalogue: Catalogue, name: string): Promise<string[]> =>
  (await catalogue.byName(name)).map(({ version }) => version)

/** 32-bit FNV-1a, as store/catalogue.ts has it. */
function fnv(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** Two names of one hash: among 400,000 there are some twenty. */
function collision(): [string, string] {
  const seen = new Map<number, string>()
  for (let i = 0; i < 400_000; i++) {
    const name = createHash('md5').update(String(i)).digest('hex').slice(0, 12)
    const known = seen.get(fnv(name))
    if (known !== undefined) return [known, name]
    seen.set(fnv(name), name)
  }
  throw new Error('no two names of one hash were found')
}

test('catalogue: several versions of a name → all, in the order of the file, verbatim', async (t) => {
  const [one, two] = [stanza('aa', '1'), stanza('aa', '2')]
  const catalogue = await catalogueOf(t, `\n${one}${stanza('ab', '1')}\n${two.trimEnd()}`)
  t.is(catalogue.count, 3)
  const found = await catalogue.byName('aa')
  t.alike(
    found.map(({ ordinal, version, text }) => [ordinal, version, String(text)]),
    [
      [0, '1', `\n${one}`],
      [2, '2', two.trimEnd()],
    ],
  )
  t.alike(await catalogue.byName('a'), [])
  t.alike(await catalogue.byName('AA'), [])
})

test('catalogue: two names of one hash → each finds itself only', async (t) => {
  const [one, other] = collision()
  t.is(fnv(one), fnv(other))
  const catalogue = await catalogueOf(t, stanza(one, '1') + stanza('aa', '1') + stanza(other, '2') + stanza(one, '3'))
  t.alike(await versionsOf(catalogue, one), ['1', '3'])
  t.alike(await versionsOf(catalogue, other), ['2'])
})

test('catalogue: file names with and without ./ → the same file; of two stanzas the first', async (t) => {
  const flat = stanza('aa', '1').replace('Filename: pool/main/', 'Filename: ./')
  const catalogue = await catalogueOf(t, flat + stanza('bb', '1') + stanza('bb', '1', { section: 'web' }))
  const names = ['aa_1_amd64.deb', './aa_1_amd64.deb', 'pool/main/bb_1_amd64.deb', './pool/main/bb_1_amd64.deb']
  const found = await Promise.all(names.map((name) => catalogue.byFilename(name)))
  t.alike(
    found.map((stanza) => stanza?.ordinal),
    [0, 0, 1, 1],
  )
  t.is(await catalogue.byFilename('pool/main/../main/bb_1_amd64.deb'), null)
  t.is(await catalogue.byFilename(''), null)
})

test('catalogue: 20,000 stanzas → each is found by its number, name and file', async (t) => {
  const count = 20_000
  const catalogue = await catalogueOf(t, Array.from({ length: count }, (_, i) => stanza(`pkg${i}`, '1')).join(''))
  t.is(catalogue.count, count)
  for (const i of [0, 1, 777, count - 1]) {
    t.is((await catalogue.stanza(i)).name, `pkg${i}`)
    t.alike(
      (await catalogue.byName(`pkg${i}`)).map(({ ordinal }) => ordinal),
      [i],
    )
    t.is((await catalogue.byFilename(`pool/main/pkg${i}_1_amd64.deb`))?.ordinal, i)
  }
  for (const i of [-1, count, 1.5]) t.is(await codeOf(catalogue.stanza(i)), 'PACKAGE_UNKNOWN')
})

test('catalogue: an empty file, one of blank lines → no stanza', async (t) => {
  for (const content of ['', '\n', '\n\n\n']) {
    const catalogue = await catalogueOf(t, content)
    t.is(catalogue.count, 0)
    t.alike(await catalogue.byName('aa'), [])
    t.is(await catalogue.byFilename('aa'), null)
  }
})
