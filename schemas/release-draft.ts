/** A repository state that an importer has acquired and verified, before it becomes a release. Written by tools/import. */
import type { CuratedPart, ForkChanges } from './curate.ts'
import type { Curation, UpstreamRelease } from './events.ts'
import type { PackageStanza } from './stanza.ts'
import type { DigestHex } from './units.ts'

export interface ReleaseDraft {
  /** Path below dists/: 'bookworm', 'bookworm-security', 'stable/updates'. */
  readonly suite: string
  /** Verbatim, clear-signed; its signature has been verified. */
  readonly inRelease: Buffer
  /** Date of the Release file. */
  readonly releasedAtMs: number
  readonly validUntilMs: number | null
  /** In the order of the Release file. */
  readonly indexes: readonly DraftIndex[]
  /** Files whose bytes are said to be at hand; not hashed yet. */
  readonly artifacts: readonly LocalArtifact[]
  /**
   * This publisher wrote the Release file itself: a version that comes back with other bytes is then its own mistake
   * (VERSION_REUSE), and a Release that differs by its date alone is no news.
   */
  readonly ownRelease: boolean
  /** Of a fork. */
  readonly basis?: DraftBasis
  /** HTTP servers that these files came from, as base URLs that can name a mirror. */
  readonly mirrors?: readonly string[]
  /** Removes temporary files. */
  close(): Promise<void>
}

/** What a release of a fork stands on. */
export interface DraftBasis {
  readonly upstream: UpstreamRelease
  /** For each index file of the draft. */
  readonly indexes: readonly BasisIndex[]
  readonly changes: ForkChanges
  readonly before: CurationBefore | null
}

export interface BasisIndex {
  readonly path: string
  /** What of upstream's index file and of the fork it consists of. */
  readonly parts: readonly CuratedPart[]
  /** Stanzas in upstream's file. */
  readonly count: number
  /** What it is, end to end, and the size and SHA-256 of that: 50 MB of upstream's text are not copied for a few packages. */
  readonly texts: readonly Buffer[]
  readonly byteLength: number
  readonly digest: DigestHex
}

/** The newest curation of the log, and what the fork's own log brought to the release before. */
export interface CurationBefore {
  readonly block: number
  readonly curation: Curation
  readonly packages: readonly PlacedPackage[]
}

export interface PlacedPackage extends Pick<PackageStanza, 'name' | 'version' | 'architecture' | 'digest'> {
  readonly block: number
  readonly ordinal: number
}

export interface DraftIndex {
  /** Below dists/SUITE/: 'main/binary-amd64/Packages'. */
  readonly path: string
  /** Equal to the signed size and SHA-256. */
  readonly bytes: Buffer
}

export interface LocalArtifact {
  readonly digest: DigestHex
  readonly byteLength: number
  readonly sourcePath: string
  /** Copied into the pool; otherwise adopted where it lies (apt's cache, a mirror's pool/). */
  readonly copy: boolean
  /** Other bytes than the index states are an error; otherwise such a file is passed over (apt's cache holds other versions too). */
  readonly strict: boolean
}
