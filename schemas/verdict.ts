/**
 * Which packages of a release cannot be installed, as its publisher says it in the `release` block: for each kind of machine by
 * itself, how many there are, and which of them became so with this release.
 *
 * Names are few, so that the block stays small; the digest says which the others are to whoever computes them anew, as
 * `freshet check` does and `freshet audit --verdicts`.
 */
import { createHash } from 'node:crypto'
import { fixed32, list, struct, text, uint } from './codec.ts'
import type { Infer } from './codec.ts'
import { VERDICT_ARCHITECTURES_MAX, VERDICT_NAMES_MAX } from './check-limits.ts'
import { PACKAGE_NAME_BYTES_MAX, VERSION_BYTES_MAX } from './limits.ts'
import { ARCHITECTURE_BYTES_MAX } from './notice-limits.ts'

/**
 * Which rules decided. Raised whenever the solver comes to decide something otherwise than before: verdicts of other rules are not
 * wrong because of it.
 */
export const VERDICT_RULES = 1

export const brokenName = struct({
  name: text(PACKAGE_NAME_BYTES_MAX),
  version: text(VERSION_BYTES_MAX),
  architecture: text(ARCHITECTURE_BYTES_MAX),
})

const verdict = struct({
  rules: uint,
  /** Of the machine; its packages of Architecture: all are among those that count. */
  architecture: text(ARCHITECTURE_BYTES_MAX),
  packages: uint,
  /** How many of them cannot be installed, and the SHA-256 of their lines (`brokenDigest`). */
  broken: uint,
  brokenDigest: fixed32,
  /** How many became so: they could be installed from the release before, or were not in it. None in a first release. */
  became: uint,
  /** The first of those by name, version and architecture. */
  names: list(brokenName, VERDICT_NAMES_MAX),
  /** How many can be installed now that could not be before. */
  mended: uint,
})

export const verdicts = list(verdict, VERDICT_ARCHITECTURES_MAX)

export type BrokenName = Infer<typeof brokenName>
export type Verdict = Infer<typeof verdict>

/** As people write it. */
export function brokenNameText({ name, version, architecture }: BrokenName): string {
  return `${name}:${architecture}=${version}`
}

/** SHA-256 of a line for each package, sorted. */
export function brokenDigest(broken: readonly BrokenName[]): Buffer {
  const lines = broken.map((one) => `${brokenNameText(one)}\n`).sort()
  return createHash('sha256').update(lines.join('')).digest()
}
