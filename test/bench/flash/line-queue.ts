/** Lines of a process's output, handed out in order to whoever waits. */
const WAIT_MS_MAX = 120_000

export class LineQueue {
  /** Resolves when there will be no more. */
  readonly ended: Promise<void>
  readonly #of: string
  readonly #lines: string[] = []
  #wake: () => void = () => {}
  #isOver = false
  #resolveEnded: () => void = () => {}

  constructor(of: string) {
    this.#of = of
    this.ended = new Promise((resolve) => (this.#resolveEnded = resolve))
  }

  push(line: string): void {
    this.#lines.push(line)
    this.#wake()
  }

  end(): void {
    this.#isOver = true
    this.#resolveEnded()
    this.#wake()
  }

  /** The next line that `fits`; others before it are dropped. @throws when none comes any more, or not in time. */
  async next(fits: (line: string) => boolean = () => true, waitMsMax = WAIT_MS_MAX): Promise<string> {
    const timeout = AbortSignal.timeout(waitMsMax)
    for (;;) {
      for (let line = this.#lines.shift(); line !== undefined; line = this.#lines.shift()) if (fits(line)) return line
      if (this.#isOver) throw new Error(`${this.#of} ended too early`)
      if (timeout.aborted) throw new Error(`${this.#of} said nothing for ${waitMsMax / 1000} s`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        timeout.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }
}
