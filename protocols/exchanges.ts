/**
 * All bundles that this node takes part in, over all its lines: who hears of which, and what goes out next.
 *
 * Owns: the bundles, and the one window over everything that is on its way (delay-window.ts), because it is one uplink that all of
 * it leaves through. Bundles take turns; within one, its exchange says whose turn it is.
 */
import type { Artifact } from '../schemas/artifact.ts'
import type { BundlePlace } from '../schemas/bundle-files.ts'
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import {
  BUNDLE_IDLE_MS,
  BUNDLES_ACTIVE_MAX,
  EXCHANGE_TICK_MS,
  LEAF_BYTES,
  ON_WAY_BYTES_MAX,
  ON_WAY_BYTES_MIN,
  ON_WAY_BYTES_START,
  REOPEN_MS,
  UPLINK_QUEUE_MS,
} from '../schemas/limits.ts'
import { DelayWindow } from './delay-window.ts'
import type { ExchangeLine } from './exchange-line.ts'
import type { Upload } from './exchange/exchange.ts'
import type { FetchOptions, PieceSink } from './file-fetch.ts'
import type { LineHost, LoggedPlace } from './line-host.ts'
import type { RateLimit } from './rate-limit.ts'
import { ServedPieces } from './served-pieces.ts'
import { type ArtifactSource, SharedBundle } from './shared-bundle.ts'

/** A log as its bundles are named by it. */
export interface BundleLog {
  readonly discoveryKey: Buffer
  /** Whether this node is where its content comes from. */
  readonly isOrigin: boolean
  /** Artifacts of one part. @param isLocal nothing may be fetched for it. @returns null: there is no such bundle, or not here. */
  describe(place: BundlePlace, isLocal: boolean): Promise<readonly Artifact[] | null>
}

export interface ExchangesOptions {
  /** A log that this node knows. */
  readonly log: (discoveryKey: Buffer) => BundleLog | null
  readonly source: ArtifactSource
  readonly upload: RateLimit
  readonly download: RateLimit
  readonly onFault: (error: FreshetError) => void
  readonly now?: () => number
  readonly random?: () => number
}

export class Exchanges implements LineHost {
  readonly now: () => number
  readonly #options: ExchangesOptions
  readonly #random: () => number
  readonly #served = new ServedPieces()
  readonly #bundles = new Map<string, SharedBundle>()
  readonly #places = new Map<SharedBundle, LoggedPlace>()
  readonly #lines = new Map<number, ExchangeLine>()
  readonly #uplink = new DelayWindow({
    targetMs: UPLINK_QUEUE_MS,
    startBytes: ON_WAY_BYTES_START,
    leastBytes: ON_WAY_BYTES_MIN,
    mostBytes: ON_WAY_BYTES_MAX,
  })
  #nextLine = 0
  #timer: NodeJS.Timeout | null = null
  #uploadTimer: NodeJS.Timeout | null = null
  #reopenedAtMs = Number.NEGATIVE_INFINITY
  #isWoken = false
  #isClosed = false

  constructor(options: ExchangesOptions) {
    this.#options = options
    this.now = options.now ?? (() => performance.now())
    this.#random = options.random ?? Math.random
  }

  /** A number for a line; no two have one. */
  newLine(): number {
    return this.#nextLine++
  }

  /** The peer hears of every bundle that something is being fetched of. */
  add(line: ExchangeLine): void {
    this.#lines.set(line.id, line)
    for (const bundle of this.#bundles.values()) if (bundle.isFetching) line.openBundle(bundle)
  }

  remove(line: ExchangeLine): void {
    this.#lines.delete(line.id)
    this.wake()
  }

  /**
   * Brings one file of a bundle into `sink`, from whoever has it.
   * @param use is given the bundle, for sources that are no peers.
   * @throws FreshetError ARTIFACT_UNAVAILABLE, ARTIFACT_MISMATCH, INTERRUPTED, NO_PEERS, EVENT_INVALID, or what the sink throws.
   */
  async fetch(
    log: BundleLog,
    block: number,
    sink: PieceSink,
    options: FetchOptions,
    use: (bundle: SharedBundle, file: number) => void,
  ): Promise<void> {
    const [bundle, file] = await this.#bundleWith(log, block, sink.artifact)
    const { digest, byteLength } = sink.artifact
    if (bundle.artifacts[file]?.byteLength !== byteLength) {
      throw new FreshetError('ARTIFACT_MISMATCH', `block ${block} states another size of ${digest}`, {
        digest,
        byteLength,
      })
    }
    use(bundle, file)
    const done = bundle.fetch(file, sink, options)
    for (const line of this.#lines.values()) line.openBundle(bundle)
    bundle.look(file)
    this.wake()
    return done
  }

  find(discoveryKey: Buffer, place: BundlePlace): SharedBundle | Promise<SharedBundle | null> {
    return this.#bundles.get(nameOf(discoveryKey, place)) ?? this.#findHeld(discoveryKey, place)
  }

  placeOf(bundle: SharedBundle): LoggedPlace {
    return this.#places.get(bundle) as LoggedPlace
  }

  /** Soon, and once for everything that happens in this turn. */
  wake(): void {
    if (this.#isWoken || this.#isClosed) return
    this.#isWoken = true
    queueMicrotask(() => {
      this.#isWoken = false
      this.#pump()
    })
  }

  acked(byteLength: number, waitedMs: number): void {
    this.#uplink.acked(byteLength, waitedMs, this.now())
  }

  close(): void {
    this.#isClosed = true
    if (this.#timer !== null) clearInterval(this.#timer)
    if (this.#uploadTimer !== null) clearTimeout(this.#uploadTimer)
    this.#bundles.clear()
    this.#places.clear()
  }

  /** A bundle that nothing is fetched of, if some of it is here. Never rejects. */
  async #findHeld(discoveryKey: Buffer, place: BundlePlace): Promise<SharedBundle | null> {
    const { log: logOf, source, onFault } = this.#options
    const log = logOf(discoveryKey)
    if (log === null) return null
    try {
      const artifacts = await log.describe(place, true)
      const isHeld = artifacts?.some(({ digest }) => source.held(digest) !== null) ?? false
      if (artifacts === null || !isHeld || this.#bundles.size >= BUNDLES_ACTIVE_MAX || this.#isClosed) return null
      return this.#bundle(log, place, artifacts)
    } catch (error) {
      onFault(asFreshetError(error))
      return null
    }
  }

  async #bundleWith(log: BundleLog, block: number, { digest }: Artifact): Promise<[SharedBundle, number]> {
    for (let part = 0; ; part++) {
      const place = { block, part }
      const known = this.#bundles.get(nameOf(log.discoveryKey, place))
      const artifacts = known?.artifacts ?? (await log.describe(place, false))
      if (artifacts === null) {
        throw new FreshetError('EVENT_INVALID', `no stanza of block ${block} names artifact ${digest}`, {
          block,
          digest,
        })
      }
      if (!artifacts.some((artifact) => artifact.digest === digest)) continue
      const bundle = this.#bundle(log, place, artifacts)
      return [bundle, bundle.fileOf(digest)]
    }
  }

  #bundle({ discoveryKey, isOrigin }: BundleLog, place: BundlePlace, artifacts: readonly Artifact[]): SharedBundle {
    const name = nameOf(discoveryKey, place)
    const known = this.#bundles.get(name)
    if (known !== undefined) return known
    const { source, onFault } = this.#options
    const bundle = new SharedBundle({
      artifacts,
      isOrigin,
      source,
      served: this.#served,
      mayAsk: (byteLength) => this.#mayAsk(byteLength),
      now: this.now,
      random: this.#random,
      onFault,
    })
    this.#bundles.set(name, bundle)
    this.#places.set(bundle, { discoveryKey, ...place })
    this.#timer ??= setInterval(() => this.#tick(), EXCHANGE_TICK_MS)
    return bundle
  }

  #mayAsk(byteLength: number): boolean {
    const { download } = this.#options
    if (download.delayMs(byteLength, this.now()) > 0) return false
    download.spend(byteLength, this.now())
    return true
  }

  #tick(): void {
    const nowMs = this.now()
    for (const line of this.#lines.values()) line.tick(nowMs)
    this.#reopen(nowMs)
    for (const [name, bundle] of this.#bundles) {
      bundle.tick(nowMs)
      if (bundle.idleMs(nowMs) < BUNDLE_IDLE_MS) continue
      this.#bundles.delete(name)
      for (const line of this.#lines.values()) line.closeBundle(bundle)
      this.#places.delete(bundle)
    }
    if (this.#bundles.size === 0 && this.#timer !== null) {
      clearInterval(this.#timer)
      this.#timer = null
    }
    this.#pump()
  }

  /** Who had nothing of it may have something now, and who put it away did not know that it is wanted again. */
  #reopen(nowMs: number): void {
    if (nowMs - this.#reopenedAtMs < REOPEN_MS) return
    this.#reopenedAtMs = nowMs
    for (const bundle of this.#bundles.values()) {
      if (bundle.isFetching) for (const line of this.#lines.values()) line.openBundle(bundle)
    }
  }

  /** Sends as long as there is room for a block, and a block to send. */
  #pump(): void {
    if (this.#isClosed) return
    let onWayBytes = this.#onWayBytes()
    while (this.#hasRoom(onWayBytes)) {
      const next = this.#nextUpload()
      if (next === null) return
      onWayBytes += this.#send(...next)
    }
  }

  #hasRoom(onWayBytes: number): boolean {
    if (onWayBytes + LEAF_BYTES > this.#uplink.bytes) {
      this.#uplink.full()
      return false
    }
    const delayMs = this.#options.upload.delayMs(LEAF_BYTES, this.now())
    if (delayMs === 0) return true
    this.#uploadTimer ??= setTimeout(() => {
      this.#uploadTimer = null
      this.#pump()
    }, delayMs)
    return false
  }

  /** What a line has sent into silence is not in anybody's way. */
  #onWayBytes(): number {
    let sum = 0
    const nowMs = this.now()
    for (const line of this.#lines.values()) if (!line.isLate(nowMs)) sum += line.onWayBytes
    return sum
  }

  #nextUpload(): [SharedBundle, ExchangeLine, Upload] | null {
    const isReady = (peer: number): boolean => this.#lines.get(peer)?.hasRoom(LEAF_BYTES) ?? false
    for (const [name, bundle] of this.#bundles) {
      const upload = bundle.nextUpload(isReady)
      if (upload === null) continue
      // The next one is another bundle's.
      this.#bundles.delete(name)
      this.#bundles.set(name, bundle)
      return [bundle, this.#lines.get(upload.peer) as ExchangeLine, upload]
    }
    return null
  }

  /** @returns the bytes of it. */
  #send(bundle: SharedBundle, line: ExchangeLine, upload: Upload): number {
    const { block } = upload
    const byteLength = bundle.bundle.blockBytes(block)
    if (!line.mayReceive()) {
      if (bundle.isFetching) bundle.refuse(upload)
      else line.closeBundle(bundle)
      return 0
    }
    this.#options.upload.spend(byteLength, this.now())
    line.reserve(byteLength)
    const served = bundle.serve(upload)
    if (!(served instanceof Promise)) line.sendBlock(bundle, block, served)
    else {
      served.then(
        (read) => line.sendBlock(bundle, block, read),
        (error: unknown) => {
          line.release(byteLength)
          bundle.unservable(upload, asFreshetError(error))
        },
      )
    }
    return byteLength
  }
}

function nameOf(discoveryKey: Buffer, { block, part }: BundlePlace): string {
  return `${discoveryKey.toString('hex')}/${block}/${part}`
}
