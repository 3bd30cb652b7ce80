/**
 * What the HTTP gateway serves, from snapshots and pool: the port between protocols/gateway.ts and store/.
 *
 * An artifact that is not here yet is fetched because somebody asks for it, and handed on piece by piece as the pieces are
 * verified; one without known piece hashes only when it is whole.
 */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { posix } from 'node:path'
import type { Artifact } from '../../schemas/artifact.ts'
import { PIECE_BYTES } from '../../schemas/limits.ts'
import { FreshetError } from '../../schemas/errors.ts'
import { digestHex } from '../../schemas/units.ts'
import { parseWhen } from '../../schemas/when.ts'
import type { GatewaySource, ServedChannel, ServedFile, ServedRelease } from '../../protocols/gateway-source.ts'
import type { Pool } from '../../store/pool.ts'
import type { Snapshot, SnapshotIndex } from '../../store/snapshot.ts'
import type { Channel } from '../channel.ts'
import type { Fetches } from './fetches.ts'
import { wantFile } from './want-file.ts'

export interface GatewaySourceDeps {
  /** @throws FreshetError CHANNEL_UNKNOWN. */
  readonly channel: (nameOrId: string) => Channel
  readonly channels: () => readonly Channel[]
  /** Of release `number`, at this moment. */
  readonly notices: (channel: Channel, number: number) => readonly string[]
  /** Asked anew for every file: the store may have been reopened since. */
  readonly session: () => { readonly pool: Pool; readonly fetches: Fetches }
}

const READ_BYTES = 256 * 1024

export function gatewaySource(deps: GatewaySourceDeps): GatewaySource {
  return {
    async resolve(name, when) {
      const channel = deps.channel(name)
      const snapshot = await channel.snapshot(parseWhen(when))
      return servedRelease(deps, channel, snapshot, await isDateUnique(channel, snapshot))
    },
    async describe() {
      return deps.channels().map((channel) => describeChannel(deps, channel))
    },
  }
}

function describeChannel(deps: GatewaySourceDeps, channel: Channel): ServedChannel {
  const release = channel.current?.release
  const components = new Set(channel.current?.indexes.map(({ path }) => path.split('/binary-')[0] ?? ''))
  return {
    name: channel.name,
    id: channel.log.id,
    suite: release?.suite ?? '',
    components: [...components],
    release: release?.number ?? null,
    notices: deps.notices(channel, release?.number ?? 0),
  }
}

async function isDateUnique({ history }: Channel, { release }: Snapshot): Promise<boolean> {
  if (release.number === 1) return true
  const before = await history.summary(release.number - 1)
  return Math.floor(before.releasedAtMs / 1000) < Math.floor(release.releasedAtMs / 1000)
}

function servedRelease(
  deps: GatewaySourceDeps,
  resolved: Channel,
  { release }: Snapshot,
  isDateUnique: boolean,
): ServedRelease {
  const { number, suite, releasedAtMs } = release
  const channelId = resolved.log.id
  return {
    channelId,
    number,
    suite,
    releasedAtMs,
    isDateUnique,
    get notices() {
      return deps.notices(resolved, number) // anew for every answer: time passes
    },
    async open(path) {
      // Looked up again: this one may be closed by now, because others were asked for or the store was reopened.
      const channel = deps.channel(channelId)
      const snapshot = await channel.snapshot({ kind: 'number', number })
      const prefix = `dists/${suite}/`
      if (!path.startsWith(prefix)) return openArtifact(deps, channel, snapshot, path)
      const below = path.slice(prefix.length)
      if (below === 'InRelease') return bufferFile(snapshot.inRelease, releasedAtMs)
      const index = findIndex(snapshot.indexes, below)
      return index === null ? null : indexFile(index, releasedAtMs)
    },
  }
}

/** By its path, or by-hash (`main/binary-amd64/by-hash/SHA256/<hex>`). */
function findIndex(indexes: readonly SnapshotIndex[], below: string): SnapshotIndex | null {
  const byHash = /^(.*)\/by-hash\/SHA256\/([0-9a-f]{64})$/.exec(below)
  const wanted = (index: SnapshotIndex): boolean =>
    byHash === null ? index.path === below : posix.dirname(index.path) === byHash[1] && index.digest === byHash[2]
  return indexes.find(wanted) ?? null
}

function bufferFile(bytes: Buffer, modifiedAtMs: number): ServedFile {
  return {
    byteLength: bytes.byteLength,
    digest: digestHex(createHash('sha256').update(bytes).digest()),
    modifiedAtMs,
    kind: 'release',
    async *read(start, end) {
      yield bytes.subarray(start, end)
    },
  }
}

function indexFile({ byteLength, digest, filePath }: SnapshotIndex, modifiedAtMs: number): ServedFile {
  return {
    byteLength,
    digest,
    modifiedAtMs,
    kind: 'index',
    async *read(start, end, signal) {
      const file = await open(filePath, 'r')
      try {
        for (let at = start; at < end;) {
          signal.throwIfAborted()
          const chunk = Buffer.allocUnsafe(Math.min(READ_BYTES, end - at))
          const { bytesRead } = await file.read(chunk, 0, chunk.byteLength, at)
          if (bytesRead === 0) throw new FreshetError('IO_ERROR', `${filePath} ended at byte ${at}`, { path: filePath })
          yield chunk.subarray(0, bytesRead)
          at += bytesRead
        }
      } finally {
        await file.close()
      }
    },
  }
}

async function openArtifact(
  { session }: GatewaySourceDeps,
  channel: Channel,
  snapshot: Snapshot,
  path: string,
): Promise<ServedFile | null> {
  const stanza = await snapshot.byFilename(path)
  if (stanza === null) return null
  const { digest, byteLength } = stanza
  const artifact: Artifact = { digest, byteLength, piecesRoot: await channel.rootOf(snapshot.release, stanza) }
  return {
    byteLength,
    digest,
    modifiedAtMs: snapshot.release.releasedAtMs,
    kind: 'artifact',
    async *read(start, end, signal) {
      const { pool, fetches } = session()
      if (pool.held(digest) !== null) yield* pool.stream(digest, start, end)
      else yield* arriving(pool, artifact, wantFile({ fetches }, channel, artifact, stanza), start, end, signal)
    },
  }
}

/** Verified bytes as they come; ends with the error of the fetch when that fails first. */
async function* arriving(
  pool: Pool,
  artifact: Artifact,
  fetched: Promise<void>,
  start: number,
  end: number,
  signal: AbortSignal,
): AsyncIterable<Buffer> {
  // Before anything is awaited: the fetch may fail first.
  const failed = new Promise<never>((_, reject) => void fetched.catch(reject))
  failed.catch(() => {}) // seen through the race below, or of no interest when every byte came
  const partial = await pool.begin(artifact)
  try {
    for (let at = start; at < end;) {
      const piece = Math.floor(at / PIECE_BYTES)
      await Promise.race([partial.waitFor(piece, signal), failed])
      const until = Math.min(end, (piece + 1) * PIECE_BYTES)
      yield await partial.read(at, until - at)
      at = until
    }
  } finally {
    await partial.close()
  }
}
