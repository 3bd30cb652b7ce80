/**
 * A checker that goes from release to release, over random histories: what it says of each is what comes out without anything that
 * was known before. Small releases are checked here, large ones in a thread of their own; drafts that are given up leave nothing behind.
 */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import test from 'brittle'
import { type CheckedRelease, PackageChecker } from '../../actors/ports/package-checker.ts'
import type { BrokenPackage } from '../../actors/solver/broken-packages.ts'
import { CheckedSnapshot, type ArchitectureCheck } from '../../actors/solver/checked-snapshot.ts'
import { CHECK_INLINE_BYTES_MAX } from '../../schemas/check-limits.ts'
import { digestHex, type KeyHex } from '../../schemas/units.ts'
import type { Run } from '../../schemas/edit-script.ts'

const PATHS = ['main/binary-amd64/Packages', 'contrib/binary-amd64/Packages', 'main/binary-arm64/Packages']
const KEY = '0'.repeat(64) as KeyHex
const NAMES = ['aa', 'bb', 'cc', 'dd', 'ee', 'ff']

interface Stanza {
  readonly path: number
  readonly name: string
  readonly version: number
  readonly fields: readonly string[]
}

const relation = fc
  .tuple(
    fc.constantFrom('Depends', 'Pre-Depends', 'Conflicts', 'Breaks', 'Provides'),
    fc.constantFrom(...NAMES),
    fc.nat(2),
  )
  .map(
    ([field, name, version]) => `${field}: ${name}${version === 0 || field === 'Provides' ? '' : ` (>= ${version})`}`,
  )
const stanza: fc.Arbitrary<Stanza> = fc.record({
  path: fc.nat(PATHS.length - 1),
  name: fc.constantFrom(...NAMES),
  version: fc.integer({ min: 1, max: 3 }),
  fields: fc.uniqueArray(relation, { maxLength: 2, selector: (text) => text.split(':')[0] }),
})
/** Each release: its stanzas, and whether it is only a draft that is given up. */
const releases = fc.array(fc.record({ stanzas: fc.array(stanza, { maxLength: 9 }), isDraft: fc.boolean() }), {
  minLength: 2,
  maxLength: 6,
})

function textOf({ path, name, version, fields }: Stanza, padding: number): string {
  const architecture = PATHS[path]?.includes('arm64') === true ? 'arm64' : 'amd64'
  const file = ['Filename: pool/x.deb', 'Size: 1', `SHA256: ${'0'.repeat(64)}`]
  const lines = [`Package: ${name}`, `Version: ${version}`, `Architecture: ${architecture}`, ...fields, ...file]
  return [...lines, ...(padding > 0 ? [`Description: ${'x'.repeat(padding)}`] : []), '', ''].join('\n')
}

/** A log of which each release packs its new stanzas into one block. */
class Log {
  readonly #places = new Map<string, { readonly block: number; readonly ordinal: number }>()
  readonly #blocks: string[][] = [[]]
  readonly #padding: number

  constructor(padding: number) {
    this.#padding = padding
  }

  release(stanzas: readonly Stanza[], isDraft: boolean): CheckedRelease {
    const base = this.#blocks.length
    const places = new Map(this.#places)
    const fresh: string[] = []
    const files = PATHS.map((path, i) => {
      const texts = stanzas.filter((one) => one.path === i).map((one) => textOf(one, this.#padding))
      const runs = texts.map((text): Run => {
        const place = places.get(text) ?? { block: base, ordinal: fresh.push(text) - 1 }
        places.set(text, place)
        return { block: place.block, first: place.ordinal, count: 1 }
      })
      return { path, runs, bytes: Buffer.from(texts.join('')) }
    }).filter(({ runs }) => runs.length > 0)
    if (!isDraft) {
      this.#blocks.push(fresh)
      for (const [text, place] of places) this.#places.set(text, place)
    }
    const blocks = isDraft ? [...this.#blocks, fresh] : this.#blocks
    return {
      key: KEY,
      base: isDraft ? base : null,
      since: null,
      indexes: files.map(({ path, runs, bytes }) => {
        return { path, runs, byteLength: bytes.length, digest: digestHex(createHash('sha256').update(bytes).digest()) }
      }),
      whole: (use) => use(files.map(({ path, runs, bytes }) => ({ path, runs, from: bytes }))),
      texts: async (runs) =>
        runs.flatMap(({ block, first, count }) =>
          Array.from({ length: count }, (_, i) => {
            return { block, ordinal: first + i, text: Buffer.from(blocks[block]?.[first + i] ?? '') }
          }),
        ),
    }
  }
}

/** Everything anew. */
async function expected(before: CheckedRelease | null, release: CheckedRelease): Promise<readonly ArchitectureCheck[]> {
  const broken = before === null ? null : await answersOf(before, null)
  const plain = (found: ArchitectureCheck['broken']): BrokenPackage[] =>
    found.map(({ isNew: _, reason: __, ...one }) => one)
  const known = broken?.map(({ architecture, broken: found }) => [architecture, plain(found)] as const)
  return answersOf(release, known === undefined ? null : Object.fromEntries(known))
}

async function answersOf(release: CheckedRelease, before: Record<string, readonly BrokenPackage[]> | null) {
  const answers: ArchitectureCheck[] = []
  await release.whole(async (indexes) => {
    const loaded = indexes.map(({ path, runs, from }) => ({ path, runs, bytes: from as Buffer }))
    answers.push(...(await (await CheckedSnapshot.load(loaded)).answer({ before, explain: 'none' })))
  })
  return answers
}

for (const [where, padding, numRuns] of [
  ['in the main thread', 0, 300],
  ['in a thread', CHECK_INLINE_BYTES_MAX / 2, 8],
] as const) {
  test(`package checker: random histories, ${where} → what comes out anew`, { timeout: 300_000 }, async (t) => {
    await fc.assert(
      fc.asyncProperty(releases, async (history) => {
        const [checker, log] = [new PackageChecker(), new Log(padding)]
        let before: CheckedRelease | null = null
        for (const { stanzas, isDraft } of history) {
          const release = log.release(stanzas, isDraft)
          const [found, wanted] = [await checker.check(before, release, 'none'), await expected(before, release)]
          if (JSON.stringify(found) !== JSON.stringify(wanted)) throw new Error(JSON.stringify([found, wanted]))
          if (!isDraft) before = release
        }
        await checker.close()
      }),
      { numRuns },
    )
    t.pass(`${numRuns} histories`)
  })
}
