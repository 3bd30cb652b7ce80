/** A block of lines in a terminal that takes the place of the one before. */
import { clearScreenDown, cursorTo, moveCursor } from 'node:readline'
import type { WriteStream } from 'node:tty'
import type { Screen } from './live-text.ts'

export class Redraw {
  readonly #stream: WriteStream
  #lineCount = 0

  constructor(stream: WriteStream) {
    this.#stream = stream
  }

  get screen(): Screen {
    return { columns: this.#stream.columns, rows: this.#stream.rows }
  }

  /** @param lines none longer than the screen is wide, and fewer than it has rows. */
  draw(lines: readonly string[]): void {
    moveCursor(this.#stream, 0, -this.#lineCount)
    cursorTo(this.#stream, 0)
    clearScreenDown(this.#stream)
    this.#stream.write(`${lines.join('\n')}\n`)
    this.#lineCount = lines.length
  }
}
