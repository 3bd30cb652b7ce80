/**
 * A long history of the real index: each release upgrades some 200 packages, adds five and drops five, other ones each time.
 *
 * Every InRelease is the real one with its lines for the index replaced, signed by a key made here; the .debs do not exist.
 * Equal numbers give equal indexes, so that a history can be made again.
 */
import { readFile } from 'node:fs/promises'
import { clearText } from '../../schemas/clear-text.ts'
import type { ReleaseDraft } from '../../schemas/release-draft.ts'
import { parseRelease } from '../../schemas/release-file.ts'
import { splitStanzas } from '../../schemas/stanza.ts'
import { clearSign, createSigningKey, type SigningKey } from '../../tools/import/openpgp.ts'
import { aptLists, INDEX, readIndex, SUITE } from './debian.ts'
import { ADDED, another, REMOVED, upgrade, UPGRADED, withIndex } from './next-release.ts'

/** Walks over the index so that the packages of neighbouring releases are spread, and differ. A prime. */
const STRIDE = 7_919

export class SyntheticHistory {
  readonly key: SigningKey
  readonly #release: string
  readonly #stanzas: Buffer[]
  #number = 0

  private constructor(key: SigningKey, release: string, stanzas: Buffer[]) {
    this.key = key
    this.#release = release
    this.#stanzas = stanzas
  }

  /** Needs apt's lists of this machine. */
  static async open(): Promise<SyntheticHistory> {
    const index = await readIndex()
    const offsets = splitStanzas(index)
    const stanzas = Array.from({ length: offsets.length - 1 }, (_, i) => index.subarray(offsets[i], offsets[i + 1]))
    const release = clearText(await readFile(aptLists().inRelease)).toString()
    return new SyntheticHistory(await createSigningKey('benchmark'), release, stanzas)
  }

  /** The first is the real index. */
  async next(): Promise<ReleaseDraft> {
    const number = this.#number++
    if (number > 0) this.#edit(number)
    const bytes = Buffer.concat(this.#stanzas)
    const text = withIndex(this.#release, bytes, number)
    const { date, validUntil } = parseRelease(text)
    return {
      suite: SUITE,
      inRelease: await clearSign(text, this.key.privateKey),
      releasedAtMs: date,
      validUntilMs: validUntil,
      indexes: [{ path: INDEX, bytes }],
      artifacts: [],
      ownRelease: false,
      close: async () => {},
    }
  }

  #edit(number: number): void {
    const at = (i: number): number => ((number * (UPGRADED + ADDED + REMOVED) + i) * STRIDE) % this.#stanzas.length
    for (let i = 0; i < UPGRADED; i++) this.#stanzas[at(i)] = upgrade(this.#stanzas[at(i)] as Buffer, number)
    for (let i = 0; i < ADDED; i++) {
      const place = at(UPGRADED + i)
      this.#stanzas.splice(place + 1, 0, another(this.#stanzas[place] as Buffer, number))
    }
    for (let i = 0; i < REMOVED; i++) this.#stanzas.splice(at(UPGRADED + ADDED + i), 1)
  }
}
