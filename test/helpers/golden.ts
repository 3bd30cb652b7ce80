/** Golden bytes: what an earlier version wrote, in test/vectors/NAME.json as type → version → hex. Added to, never rewritten. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export type Golden = Readonly<Record<string, Readonly<Record<string, string>>>>

export function golden(name: string): Golden {
  return JSON.parse(readFileSync(join(import.meta.dirname, '..', 'vectors', `${name}.json`), 'utf8')) as Golden
}

/** The types whose block differs from the golden bytes of its version, or has none. */
export function differing(name: string, blocks: Readonly<Record<string, Buffer>>): string[] {
  const known = golden(name)
  return Object.entries(blocks)
    .filter(([type, block]) => known[type]?.[String(block[1])] !== block.toString('hex'))
    .map(([type]) => type)
}
