/**
 * A long history over the real index: each release upgrades some 190 packages, brings 5 and drops 5, chosen by a seed.
 *
 * Each has a Release file with every line of the real one (test/bench/next-release.ts), signed by a key made here, so that
 * sizes are those of a real archive. Packages are chosen evenly, which spreads what is left of a release over more blocks
 * than a real archive does, where few packages change often.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { clearText } from '../../schemas/clear-text.ts'
import type { ReleaseDraft } from '../../schemas/release-draft.ts'
import { parseRelease } from '../../schemas/release-file.ts'
import { splitStanzas } from '../../schemas/stanza.ts'
import { clearSign, createSigningKey } from '../../tools/import/openpgp.ts'
import { aptLists, INDEX, readIndex, SUITE } from './debian.ts'
import { ADDED, another, REMOVED, UPGRADED, upgrade, withIndex } from './next-release.ts'

export class LongHistory {
  readonly publicKey: string
  readonly #privateKey: string
  readonly #release: string
  readonly #stanzas: Buffer[]
  #state: number
  #generation = 0

  private constructor(
    keys: { publicKey: string; privateKey: string },
    release: string,
    stanzas: Buffer[],
    seed: number,
  ) {
    this.publicKey = keys.publicKey
    this.#privateKey = keys.privateKey
    this.#release = release
    this.#stanzas = stanzas
    this.#state = seed
  }

  static async open(seed = 1): Promise<LongHistory> {
    const index = await readIndex()
    const offsets = splitStanzas(index)
    const stanzas = Array.from({ length: offsets.length - 1 }, (_, i) => index.subarray(offsets[i], offsets[i + 1]))
    const release = clearText(await readFile(aptLists().inRelease)).toString()
    return new LongHistory(await createSigningKey('benchmark'), release, stanzas, seed)
  }

  /** What the next release is made from; the first is the real index as it is. */
  async next(): Promise<ReleaseDraft> {
    if (this.#generation > 0) this.#change()
    const generation = this.#generation++
    const bytes = Buffer.concat(this.#stanzas)
    const text = withIndex(this.#release, bytes, generation)
    const { date, validUntil } = parseRelease(text)
    return {
      suite: SUITE,
      inRelease: await clearSign(text, this.#privateKey),
      releasedAtMs: date,
      validUntilMs: validUntil,
      indexes: [{ path: INDEX, bytes }],
      artifacts: [],
      ownRelease: false,
      close: async () => {},
    }
  }

  /** SHA-256 of the index as the newest release has it. */
  digest(): string {
    const hash = createHash('sha256')
    for (const stanza of this.#stanzas) hash.update(stanza)
    return hash.digest('hex')
  }

  #change(): void {
    const stanzas = this.#stanzas
    for (let i = 0; i < UPGRADED; i++) {
      const at = this.#below(stanzas.length)
      stanzas[at] = upgrade(stanzas[at] as Buffer, this.#generation)
    }
    for (let i = 0; i < ADDED; i++) {
      const at = this.#below(stanzas.length)
      stanzas.splice(at + 1, 0, another(stanzas[at] as Buffer, this.#generation * ADDED + i))
    }
    for (let i = 0; i < REMOVED; i++) stanzas.splice(this.#below(stanzas.length), 1)
  }

  /** xorshift32: the same seed makes the same history. */
  #below(bound: number): number {
    let state = this.#state
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.#state = state
    return (state >>> 0) % bound
  }
}
