/**
 * The packages of the demo's two releases: some of this machine's own apt cache where it has them, else built ones.
 *
 * The second release holds more packages than the first and a newer version of one that is built here. Files are copied into
 * two folders, because a publisher gets its packages as a folder of .debs.
 */
import { randomBytes } from 'node:crypto'
import { copyFile, readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { type DebFile, readDeb } from '../import/deb-file.ts'
import { machineArchitecture } from '../import/machine-architecture.ts'
import { buildDeb } from './build-deb.ts'
import type { Stage } from './stage.ts'

const APT_CACHE = '/var/cache/apt/archives'
const REAL_PACKAGES = 8
/** Of several pieces, some of them; and all together quickly copied. */
const REAL_BYTES_MIN = 20_000
const REAL_BYTES_MAX = 3_000_000
/** Names of programs that people know are mostly short words; those of libraries are not. */
const PROGRAM_NAME = /^[a-z]{2,12}$/
/** How many packages only the second release has. */
const NEWCOMERS = 2
export const UPGRADED = 'freshet-demo'

export interface DemoPackage {
  readonly name: string
  readonly version: string
  readonly digest: DebFile['digest']
  readonly byteLength: number
}

export interface DemoRelease {
  readonly directory: string
  readonly packages: readonly DemoPackage[]
}

export interface DemoPackages {
  /** How many come from this machine's distribution. */
  readonly real: number
  readonly releases: readonly [DemoRelease, DemoRelease]
}

export async function demoPackages(stage: Stage): Promise<DemoPackages> {
  const architecture = await machineArchitecture()
  const real = await findReal(architecture)
  const all = real.length > 0 ? real : await build(await stage.subfolder('built'), architecture)
  const first = all.slice(0, -NEWCOMERS)
  return {
    real: real.length,
    releases: [await fill(stage, 'release-1', first, '1.0'), await fill(stage, 'release-2', all, '2.0')],
  }
}

/** Of all sizes between the bounds, or none when there are too few. Files that are broken or not ours to read are passed over. */
async function findReal(architecture: string): Promise<string[]> {
  const names = await readdir(APT_CACHE).catch((): string[] => []) // no apt cache: packages are built
  const fitting: { path: string; size: number; program: boolean }[] = []
  const seen = new Set<string>()
  for (const file of names.toSorted()) {
    const [, name, suffix] = /^([^_]+)_[^_]+_([a-z0-9-]+)\.deb$/.exec(file) ?? []
    if (name === undefined || seen.has(name) || (suffix !== architecture && suffix !== 'all')) continue
    seen.add(name)
    const path = join(APT_CACHE, file)
    const size = (await stat(path).catch(() => null))?.size ?? 0 // removed in this moment
    if (size < REAL_BYTES_MIN || size > REAL_BYTES_MAX) continue
    fitting.push({ path, size, program: PROGRAM_NAME.test(name) })
  }
  const programs = fitting.filter(({ program }) => program)
  const candidates = (programs.length >= REAL_PACKAGES ? programs : fitting).toSorted((a, b) => a.size - b.size)
  if (candidates.length < REAL_PACKAGES) return []
  const step = (candidates.length - 1) / (REAL_PACKAGES - 1)
  const chosen = Array.from({ length: REAL_PACKAGES }, (_, i) => candidates[Math.round(i * step)]?.path ?? '')
  const whole = await Promise.all(chosen.map((path) => readDeb(path).catch(() => null)))
  return whole.flatMap((deb) => (deb === null ? [] : [deb.path]))
}

/** Random content, because nothing else has the size that it is given once packed. */
async function build(directory: string, architecture: string): Promise<string[]> {
  const sizes = { brook: 3_000, creek: 40_000, rivulet: 200_000, stream: 700_000, river: 1_800_000, estuary: 2_500_000 }
  const built: string[] = []
  for (const [name, byteLength] of Object.entries(sizes)) {
    const files = { [`usr/share/${name}/water`]: randomBytes(byteLength) }
    built.push(await buildDeb(directory, { name, version: '1.0-1', architecture, files, compression: 'none' }))
  }
  return built
}

async function fill(stage: Stage, name: string, paths: readonly string[], version: string): Promise<DemoRelease> {
  const directory = await stage.subfolder(name)
  for (const path of paths) await copyFile(path, join(directory, basename(path)))
  const files = { [`usr/share/doc/${UPGRADED}/README`]: `This is version ${version}.\n` }
  await buildDeb(directory, { name: UPGRADED, version, architecture: 'all', files })
  const packages: DemoPackage[] = []
  for (const file of (await readdir(directory)).toSorted()) {
    const { fields, digest, byteLength } = await readDeb(join(directory, file))
    packages.push({ name: fields.get('Package') ?? '', version: fields.get('Version') ?? '', digest, byteLength })
  }
  return { directory, packages }
}

export function totalBytes(packages: readonly DemoPackage[]): number {
  return packages.reduce((sum, { byteLength }) => sum + byteLength, 0)
}
