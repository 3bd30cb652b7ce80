/**
 * What the HTTP gateway serves: the interface that whoever holds snapshots and artifacts gives it.
 *
 * The gateway knows HTTP and which release a client is on; everything about channels, time and bytes is the source's.
 */
import type { DigestHex } from '../schemas/units.ts'

export interface GatewaySource {
  /**
   * @param channel name or z-base-32 id, as in the request.
   * @param when a release number (`7`, `#7`), an ISO 8601 time or a tag; null: the current release.
   * @throws FreshetError CHANNEL_UNKNOWN, RELEASE_UNKNOWN or NO_RELEASE.
   */
  resolve(channel: string, when: string | null): Promise<ServedRelease>
  /** For the page at `/`. */
  describe?(): Promise<readonly ServedChannel[]>
}

export interface ServedChannel {
  readonly name: string
  readonly id: string
  readonly suite: string
  /** Empty for a flat repository. */
  readonly components: readonly string[]
  readonly release: number | null
  readonly notices: readonly string[]
}

export interface ServedRelease {
  readonly channelId: string
  readonly number: number
  /** As in `dists/SUITE`; for a flat repository its directory with a closing slash, such as `./`. */
  readonly suite: string
  readonly releasedAtMs: number
  /** Whether the release before has another date, to the second: releases are in order of time. */
  readonly isDateUnique: boolean
  /** Warnings, such as `frozen`, for a response header. */
  readonly notices: readonly string[]
  /**
   * @param path relative to the root of the channel, decoded and checked: `dists/bookworm/InRelease`, `pool/...`.
   * @returns null when the release has no such file.
   */
  open(path: string): Promise<ServedFile | null>
}

export interface ServedFile {
  readonly byteLength: number
  /** SHA-256 of the whole file: its strong ETag. null where it is not known. */
  readonly digest: DigestHex | null
  readonly modifiedAtMs: number
  readonly kind: 'release' | 'index' | 'artifact'
  /** Verified bytes of [start, end) as they become available; may wait for peers while the file arrives. */
  read(start: number, end: number, signal: AbortSignal): AsyncIterable<Buffer>
}
