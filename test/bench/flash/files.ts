/** The files that a crowd wants: .debs made for it, whose content does not compress. */
import { randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { buildDeb } from '../../../tools/demo/build-deb.ts'
import { Chance } from '../../crash/chance.ts'
import type { Row } from './rows.ts'

export interface DebFile {
  readonly name: string
  readonly packageName: string
  readonly byteLength: number
}

export interface FileSet {
  readonly directory: string
  readonly files: readonly DebFile[]
  readonly byteLength: number
}

/** Debian 12 main: half of its .debs are smaller than this. */
const MEDIAN_BYTES = 59_000
const SMALL_FILES_MAX = 200
/** What a .deb of one file has around its content: headers, control file, padding. */
const AROUND_BYTES = 6_500
const SEED = 12

/** Builds them in `directory`, which may have others; their packages are named after `prefix`. */
export async function buildFiles(
  directory: string,
  { kind, byteLength }: Row['content'],
  prefix = 'crowd',
): Promise<FileSet> {
  const sizes = kind === 'one' ? [byteLength] : smallSizes(byteLength)
  const files: DebFile[] = []
  for (const [i, size] of sizes.entries()) {
    const packageName = `${prefix}-${i}`
    const content = { [`usr/share/${packageName}/data`]: randomBytes(Math.max(0, size - AROUND_BYTES)) }
    const description = { name: packageName, version: '1.0', architecture: 'all', files: content } as const
    const path = await buildDeb(directory, { ...description, compression: 'none' })
    files.push({ name: basename(path), packageName, byteLength: (await stat(path)).size })
  }
  return { directory, files, byteLength: files.reduce((sum, file) => sum + file.byteLength, 0) }
}

/**
 * Log-normal with Debian's median, and a spread that makes 200 of them 16 MiB; as many as fit into `byteLength`, in an
 * order that is always the same.
 */
export function smallSizes(byteLength: number): number[] {
  const chance = new Chance(SEED)
  const order = Array.from({ length: SMALL_FILES_MAX }, (_, i) => ({ i, key: chance.fraction() }))
  order.sort((a, b) => a.key - b.key)
  const sizes: number[] = []
  let left = byteLength
  for (const { i } of order) {
    const size = Math.round(MEDIAN_BYTES * Math.exp(SPREAD * normalQuantile((i + 0.5) / SMALL_FILES_MAX)))
    if (size > left) continue
    sizes.push(size)
    left -= size
  }
  return sizes
}

const SPREAD = 0.843

/** Within 0.0005 between 0.001 and 0.999. Source: Abramowitz and Stegun, 26.2.23. */
function normalQuantile(share: number): number {
  if (share > 0.5) return -normalQuantile(1 - share)
  const t = Math.sqrt(-2 * Math.log(share))
  const above = 2.515517 + t * (0.802853 + t * 0.010328)
  const below = 1 + t * (1.432788 + t * (0.189269 + t * 0.001308))
  return above / below - t
}
