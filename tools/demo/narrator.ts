/** The demo's lines: when, who, what; and a summary of aligned rows. */
const WHO_COLUMNS = 10

export class Narrator {
  readonly #startedAtMs = performance.now()

  get elapsedMs(): number {
    return performance.now() - this.#startedAtMs
  }

  title(text: string): void {
    process.stdout.write(`${text}\n\n`)
  }

  say(who: string, what: string): void {
    const seconds = (this.elapsedMs / 1000).toFixed(1).padStart(5)
    process.stdout.write(`${seconds} s  ${who.padEnd(WHO_COLUMNS)} ${what}\n`)
  }

  /** Rows of the same heading say it once. */
  summary(title: string, rows: readonly (readonly [heading: string, text: string])[]): void {
    const lines = rows.map(([heading, text], i) => {
      const shown = rows[i - 1]?.[0] === heading ? '' : heading
      return `  ${shown.padEnd(WHO_COLUMNS)} ${text}`
    })
    process.stdout.write(`\n${title}\n${lines.join('\n')}\n`)
  }
}

export function formatSeconds(elapsedMs: number): string {
  return `${(elapsedMs / 1000).toFixed(elapsedMs < 1000 ? 2 : 1)} s`
}
