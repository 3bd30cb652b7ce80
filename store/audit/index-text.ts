/**
 * The text of one index file, carried from release to release in memory.
 *
 * Scripts are applied to a list of pieces: stretches of the newest text that was made, and stanzas of the log. A text is made
 * only where one is asked for, by copying what stays and unpacking what is new; so a release costs about its change and one
 * copy of the file, and a release that nobody asks for costs its script. Two buffers take turns.
 */
import { applyScript, stanzaCount } from '../../schemas/edit-script.ts'
import type { EditOp, Run } from '../../schemas/edit-script.ts'
import { FreshetError } from '../../schemas/errors.ts'
import type { StanzaCache } from './stanza-cache.ts'

/** Stands for the text itself in a list of runs. */
const TEXT = -1

export class IndexText {
  /** What the index is now, in stanzas of `#text` and of the log. */
  #pieces: readonly Run[]
  #text: Buffer = Buffer.alloc(0)
  #offsets = new Uint32Array(1)
  #spare: Buffer = Buffer.alloc(0)

  /** @param runs the index as of the release before the first script. */
  constructor(runs: readonly Run[]) {
    this.#pieces = runs
  }

  /** @throws FreshetError EVENT_INVALID when the script does not fit. */
  apply(script: readonly EditOp[]): void {
    this.#pieces = applyScript(this.#pieces, script)
  }

  /**
   * The text as it is now, which is good until the next but one is made.
   * @throws FreshetError EVENT_INVALID when the log does not have the stanzas; SNAPSHOT_MISMATCH when it is not `byteLength` long.
   */
  async make(stanzas: StanzaCache, byteLength: number): Promise<Buffer> {
    const [text, offsets] = [this.#takeSpare(byteLength), new Uint32Array(stanzaCount(this.#pieces) + 1)]
    const fresh = stanzas.inOrder(this.#pieces.filter(({ block }) => block !== TEXT))
    let [at, index] = [0, 0]
    for (const piece of this.#pieces) {
      const source =
        piece.block === TEXT
          ? { text: this.#text, offsets: this.#offsets }
          : ((await fresh.next()).value as { stanzas: { text: Buffer; offsets: Uint32Array } }).stanzas
      const start = source.offsets[piece.first] as number
      const end = source.offsets[piece.first + piece.count] as number
      if (at + end - start > byteLength) throw mismatch(`it is longer than ${byteLength} bytes`)
      source.text.copy(text, at, start, end)
      for (let i = 1; i <= piece.count; i++)
        offsets[index + i] = at + (source.offsets[piece.first + i] as number) - start
      index += piece.count
      at += end - start
    }
    if (at !== byteLength) throw mismatch(`it has ${at} bytes instead of ${byteLength}`)
    this.#spare = this.#text
    this.#text = text
    this.#offsets = offsets
    this.#pieces = index === 0 ? [] : [{ block: TEXT, first: 0, count: index }]
    return text.subarray(0, byteLength)
  }

  #takeSpare(byteLength: number): Buffer {
    if (this.#spare.byteLength >= byteLength) return this.#spare
    return Buffer.allocUnsafeSlow(Math.ceil(byteLength * 1.05)) // it mostly grows a little
  }
}

function mismatch(what: string): FreshetError {
  return new FreshetError('SNAPSHOT_MISMATCH', what)
}
