/** A gateway source whose releases are files in memory; what it does wrong is asked for by the test. */
import { createHash } from 'node:crypto'
import { FreshetError } from '../../schemas/errors.ts'
import { parseDigest } from '../../schemas/units.ts'
import type { GatewaySource, ServedFile, ServedRelease } from '../../protocols/gateway-source.ts'

export interface MemoryRelease {
  readonly files: ReadonlyMap<string, Buffer>
  readonly releasedAtMs: number
}

export interface MemorySourceOptions {
  readonly channel?: string
  readonly suite?: string
  readonly notices?: readonly string[]
  /** Replaces how a file's bytes are read. */
  readonly read?: (
    path: string,
    bytes: Buffer,
    start: number,
    end: number,
    signal: AbortSignal,
  ) => AsyncIterable<Buffer>
}

export class MemorySource implements GatewaySource {
  readonly releases: MemoryRelease[] = []
  /** `open` calls: `#number path`. */
  readonly opened: string[] = []
  readonly #options: MemorySourceOptions

  constructor(options: MemorySourceOptions = {}) {
    this.#options = options
  }

  get channel(): string {
    return this.#options.channel ?? 'demo'
  }

  /** @returns the number of the new release. */
  publish(
    files: Record<string, string | Buffer>,
    releasedAtMs = 1_700_000_000_000 + this.releases.length * 60_000,
  ): number {
    const entries = Object.entries(files).map(([path, content]): [string, Buffer] => [
      path,
      Buffer.from(content as string),
    ])
    this.releases.push({ files: new Map(entries), releasedAtMs })
    return this.releases.length
  }

  async resolve(channel: string, when: string | null): Promise<ServedRelease> {
    if (channel !== this.channel) throw new FreshetError('CHANNEL_UNKNOWN', `no channel ${channel} is known here`)
    const number = when === null ? this.releases.length : Number(when.replace('#', ''))
    if (number === 0) throw new FreshetError('NO_RELEASE', `channel ${channel} has no release yet`)
    const release = this.releases[number - 1]
    if (release === undefined)
      throw new FreshetError('RELEASE_UNKNOWN', `channel ${channel} has no release ${when ?? ''}`)
    return {
      channelId: this.channel,
      number,
      suite: this.#options.suite ?? 'stable',
      releasedAtMs: release.releasedAtMs,
      isDateUnique: secondOf(this.releases[number - 2]) !== secondOf(release),
      notices: this.#options.notices ?? [],
      open: async (path) => {
        this.opened.push(`#${number} ${path}`)
        const bytes = release.files.get(path)
        return bytes === undefined ? null : this.#file(path, bytes, release.releasedAtMs)
      },
    }
  }

  async describe(): Promise<Awaited<ReturnType<NonNullable<GatewaySource['describe']>>>> {
    const { suite = 'stable', notices = [] } = this.#options
    return [
      { name: this.channel, id: 'y'.repeat(52), suite, components: ['main'], release: this.releases.length, notices },
    ]
  }

  #file(path: string, bytes: Buffer, modifiedAtMs: number): ServedFile {
    const isRelease = /(^|\/)((In)?Release|Release\.gpg)$/.test(path) && !path.includes('binary-')
    return {
      byteLength: bytes.byteLength,
      digest: parseDigest(sha256(bytes)),
      modifiedAtMs,
      kind: isRelease ? 'release' : path.endsWith('.deb') ? 'artifact' : 'index',
      read: (start, end, signal) => (this.#options.read ?? readChunks)(path, bytes, start, end, signal),
    }
  }
}

function secondOf(release: MemoryRelease | undefined): number {
  return Math.floor((release?.releasedAtMs ?? Number.NaN) / 1000)
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Honest bytes in small chunks. */
export async function* readChunks(_path: string, bytes: Buffer, start: number, end: number): AsyncGenerator<Buffer> {
  for (let offset = start; offset < end; offset += 65_536) yield bytes.subarray(offset, Math.min(offset + 65_536, end))
}
