/**
 * Changes of a release as uploads make them: all binary packages of a source go up together, with the relations to each other that
 * name their exact version.
 */
import type { Universe } from '../../actors/solver/universe.ts'

export interface SourceUpgrade {
  /** Packages of the universe that go. */
  readonly went: readonly number[]
  /** Stanzas of those that take their places. */
  readonly stanzas: Buffer
}

/** @param generation the sources are others for each. */
export function sourceUpgrade(universe: Universe, count: number, generation: number): SourceUpgrade {
  const bySource = new Map<string, number[]>()
  for (const id of universe.ids()) {
    const text = textOf(universe, id)
    const source = /^Source: (\S+)/m.exec(text)?.[1] ?? universe.candidate(id).name
    bySource.set(source, [...(bySource.get(source) ?? []), id])
  }
  const sources = [...bySource.values()]
  const went: number[] = []
  const step = Math.floor(sources.length / count)
  for (let at = generation; went.length < count && at < sources.length; at += step) went.push(...(sources[at] ?? []))
  const stanzas = went.map((id) => {
    const { version } = universe.candidate(id)
    const next = `${version}+u${generation}`
    return textOf(universe, id)
      .replace(`\nVersion: ${version}\n`, `\nVersion: ${next}\n`)
      .replaceAll(`(= ${version})`, `(= ${next})`)
  })
  return { went, stanzas: Buffer.from(stanzas.join('')) }
}

function textOf(universe: Universe, id: number): string {
  const { source, ordinal } = universe.candidate(id)
  return source === null ? '' : source.bytes.toString('latin1', source.offsets[ordinal], source.offsets[ordinal + 1])
}
