/**
 * A running node: the one public entry. Owns a session on its store, reopens it after a failed write, and answers in terms of
 * channels, releases and packages.
 *
 * The gateway outlives sessions: while the store is being reopened clients get an error that tells them to come back.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { requireChannelName } from '../schemas/channel-name.ts'
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import { REOPEN_PAUSE_MS_MAX, RETRY_PAUSE_MS_MAX, RETRY_PAUSE_MS_MIN } from '../schemas/limits.ts'
import type { Maintainer } from '../schemas/metadata-fold.ts'
import type { NodeConfig } from '../schemas/node-config.ts'
import type { ReleaseDraft } from '../schemas/release-draft.ts'
import { SHARE_WHOLE } from '../schemas/rollout.ts'
import type { SignerSet } from '../schemas/signing.ts'
import type { KeyHex } from '../schemas/units.ts'
import type { When } from '../schemas/when.ts'
import { startGateway } from '../protocols/gateway.ts'
import type { Gateway } from '../protocols/gateway.ts'
import { ConfigFile } from '../store/config-file.ts'
import { homeAt } from '../store/home.ts'
import type { Home } from '../store/home.ts'
import { parseId } from '../store/identity.ts'
import type { NamedSignature } from '../store/quorum.ts'
import { keepSigningKey, readSigningKey } from '../store/signing-keys.ts'
import type { Channel } from './channel.ts'
import { frozenSince } from './frozen-since.ts'
import type { LinkFacts } from './link-policy.ts'
import type { LiveStatus, LiveView } from './live-status.ts'
import { Notifier } from './notifier.ts'
import type { NodeEvent } from './notifier.ts'
import { fetchPackage } from './ports/fetch-package.ts'
import type { FetchedPackage, PackageWish } from './ports/fetch-package.ts'
import { gatewaySource } from './ports/gateway-source.ts'
import { readLinkFacts } from './ports/link-facts.ts'
import type { NetworkOptions } from './ports/network.ts'
import { commitRelease } from './ports/commit-release.ts'
import type { CommitResult } from './ports/commit-release.ts'
import type { PublishProgress } from './ports/compose-draft.ts'
import { PackageChecker } from './ports/package-checker.ts'
import { prepareRelease } from './ports/prepare-release.ts'
import type { PrepareDeps, PrepareResult } from './ports/prepare-release.ts'
import { rotateChannel } from './ports/rotate-channel.ts'
import type { RotateResult } from './ports/rotate-channel.ts'
import { publishRelease } from './ports/publish-release.ts'
import type { PublishResult } from './ports/publish-release.ts'
import { changedMirrors, nameMirrors } from './ports/name-mirrors.ts'
import type { MirrorChange } from './ports/name-mirrors.ts'
import { addMaintainer, removeMaintainer } from './ports/name-maintainers.ts'
import { fixBeforeRelease, publishMetadata } from './ports/publish-metadata.ts'
import type { PublishedMetadata } from './ports/publish-metadata.ts'
import { tagRelease } from './ports/tag-release.ts'
import { writeSnapshot } from './ports/write-snapshot.ts'
import type { SnapshotOrder, SnapshotWriteProgress, WrittenSnapshot } from './ports/write-snapshot.ts'
import { Session } from './session.ts'
import { statusOf } from './status.ts'
import type { NodeStatus } from './status.ts'

export interface NodeOptions {
  readonly home: string
  /** Null: no network, only this disk. */
  readonly network?: NetworkOptions | null
  /** Null: no gateway. Port 0: any free one. */
  readonly gateway?: { readonly host: string; readonly port: number } | null
  readonly now?: () => number
  /** Instead of asking the system. */
  readonly readFacts?: () => Promise<LinkFacts>
  readonly log?: (level: 'info' | 'warn', message: string) => void
}

export interface ChannelKeys {
  /** OpenPGP, ASCII-armoured. */
  readonly publicKey: Buffer
  readonly privateKey: string
}

/** @throws FreshetError CONFIG_INVALID, STORE_LOCKED, STORE_COPIED, DISK_FULL, ADDRESS_IN_USE, ... */
export async function startNode(options: NodeOptions): Promise<Node> {
  const node = new Node(options)
  await node.open()
  return node
}

export class Node {
  readonly home: Home
  readonly config: ConfigFile
  readonly notifier = new Notifier()
  readonly checker = new PackageChecker()
  readonly warn = (message: string): void => this.#options.log?.('warn', message)
  readonly #options: NodeOptions
  readonly #now: () => number
  #session: Session | null = null
  /** Why there is no session at the moment. */
  #outage: FreshetError = new FreshetError('STORE_FAILED', 'the node has not been opened')
  #gateway: Gateway | null = null
  /** When a session was last opened after a failure, and how long to wait before the next try. */
  #reopenedAtMs = Number.NEGATIVE_INFINITY
  #reopenPauseMs = RETRY_PAUSE_MS_MIN
  readonly #stopped = new AbortController()
  /** One import, commit or tag at a time and channel. */
  readonly #publishing = new Map<KeyHex, Promise<unknown>>()

  constructor(options: NodeOptions) {
    this.home = homeAt(options.home)
    this.config = new ConfigFile(this.home.config, ({ config }) => {
      if (this.#session !== null) configureSession(this.#session, config)
    })
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  /** The config comes first: a node that its owner has misconfigured touches nothing. */
  async open(): Promise<void> {
    await this.config.reread()
    this.#session = await this.#openSession()
    const { gateway } = this.#options
    if (gateway === undefined || gateway === null) return
    try {
      this.#gateway = await startGateway({ ...gateway, source: this.#gatewaySource() })
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /** @throws FreshetError STORE_FAILED, DISK_FULL while the store is being reopened. */
  get session(): Session {
    if (this.#session === null) throw this.#outage
    return this.#session
  }

  get gateway(): { readonly url: string; readonly port: number } | null {
    return this.#gateway
  }

  /** Key pair first, then the genesis that names it: a crash in between leaves a key without channel, which the next try replaces. */
  async createChannel(name: string, keys: ChannelKeys, signers: SignerSet | null = null): Promise<Channel> {
    requireChannelName(name)
    const { publicKey, privateKey } = keys
    const keepKey = (): Promise<void> => keepSigningKey(this.home.keys, name, privateKey)
    if (signers === null) return this.session.createChannel(name, publicKey, keepKey)
    return this.session.createQuorumChannel(name, publicKey, signers, keepKey)
  }

  /** The armoured private key that signs Release files of an own channel. */
  async signingKey(name: string): Promise<string> {
    return readSigningKey(this.home.keys, this.session.channel(name).name)
  }

  async follow(id: string, name: string | null): Promise<Channel> {
    return this.session.follow(parseId(id), name === null ? id : requireChannelName(name))
  }

  /** Appends a release made from `draft`; resolves when this node's gateway serves it. @param share of the followers who get it first. */
  async publish(
    name: string,
    draft: ReleaseDraft,
    onProgress: (progress: PublishProgress) => void = () => {},
    refusesBroken = false,
    share: number = SHARE_WHOLE,
  ): Promise<PublishResult> {
    return this.#inTurn(this.session.publishing(name), async (session, channel) => {
      session.requireRunning(channel)
      const deps = this.#publishDeps(session, refusesBroken)
      await fixBeforeRelease(deps, channel)
      const result = await publishRelease(deps, channel, draft, onProgress, share)
      await session.settled(channel, result.release)
      session.requireRunning(channel) // or the release is one that nobody will take
      return result
    })
  }

  /** Names a release of an own channel, for ever; resolves when the name is known here. */
  async tag(name: string, when: When, tag: string): Promise<{ readonly release: number }> {
    return this.#inTurn(this.session.publishing(name), async (session, channel) => {
      session.requireRunning(channel)
      const number = await tagRelease(this.#publishDeps(session), channel, when, tag)
      return { release: number }
    })
  }

  /** Lets a key write the metadata document of an own channel; resolves with all maintainers. */
  async addMaintainer(name: string, key: KeyHex): Promise<readonly Maintainer[]> {
    return this.changing(name, (_, channel, deps) => addMaintainer(deps, channel, key))
  }

  /** @param lastChange the last change of this maintainer that counts; null: what there is by now. */
  async removeMaintainer(name: string, key: KeyHex, lastChange: number | null): Promise<readonly Maintainer[]> {
    return this.changing(name, (_, channel, deps) => removeMaintainer(deps, channel, key, lastChange))
  }

  /** Fixes the metadata document of an own channel as it is by now. */
  async publishMetadata(name: string): Promise<PublishedMetadata> {
    return this.changing(name, (_, channel, deps) => publishMetadata(deps, channel))
  }

  /** Changes the HTTP mirrors that an own channel names; resolves with all of them, known here. */
  async nameMirrors(name: string, change: MirrorChange): Promise<readonly string[]> {
    return this.changing(name, (_, channel, deps) => nameMirrors(deps, channel, change))
  }

  /** The same for this node alone, whose channel it is not. */
  async chooseMirrors(name: string, change: MirrorChange): Promise<void> {
    await this.#inTurn(this.session.channel(name), async (session, { key }) => {
      const urls = changedMirrors(session.localMirrors.of(key), change)
      await session.record({ type: 'mirrors.chosen', key, urls, atMs: this.#now() })
    })
  }

  /** Prepares a release made from `draft` for the signers of the channel. @param replace whatever else is prepared. */
  async prepare(
    name: string,
    draft: ReleaseDraft,
    replace: boolean,
    onProgress: (progress: PublishProgress) => void = () => {},
    refusesBroken = false,
    share: number = SHARE_WHOLE,
  ): Promise<PrepareResult> {
    return this.#inTurn(this.session.publishing(name), (session, channel) => {
      session.requireRunning(channel)
      const deps = this.#publishDeps(session, refusesBroken)
      return prepareRelease(deps, channel, draft, { replace, share }, onProgress)
    })
  }

  /** Appends what was prepared and signed; resolves when this node's gateway serves it. */
  async commit(name: string, signatures: readonly NamedSignature[]): Promise<CommitResult> {
    const { session } = this
    const [first] = signatures
    const named = session.publishing(name)
    const signed = first === undefined ? null : session.rotations.related(named, first.file.key)
    return this.#inTurn(signed ?? named, async (session, channel) => {
      session.requireRunning(channel)
      const result = await commitRelease(this.#publishDeps(session), channel, signatures)
      await session.settled(channel, result.release)
      await session.rotations.look(channel)
      return result
    })
  }

  /** Names the successor of a channel: at once where this node signs alone, else prepared for the signers. */
  async rotate(name: string, to: SignerSet, replace: boolean): Promise<RotateResult> {
    return this.#inTurn(this.session.publishing(name), async (session, channel) => {
      session.requireRunning(channel)
      const result = await rotateChannel(this.#publishDeps(session), channel, to, replace)
      await session.rotations.look(channel)
      return result
    })
  }

  async fetch(wish: PackageWish, signal: AbortSignal): Promise<FetchedPackage> {
    return fetchPackage(this.session, wish, signal)
  }

  /** A release as a complete repository in a folder. */
  async writeSnapshot(
    order: SnapshotOrder,
    signal: AbortSignal,
    onProgress: (progress: SnapshotWriteProgress) => void = () => {},
  ): Promise<WrittenSnapshot> {
    return writeSnapshot(this.session, order, signal, onProgress)
  }

  /** The node's clock, in Unix milliseconds. */
  now(): number {
    return this.#now()
  }

  status(): NodeStatus {
    return statusOf(this.session, this.#gateway?.url ?? null, this.#now())
  }

  /** @param view of one reader, who sees rates since its last look. */
  liveStatus(view: LiveView): LiveStatus {
    return view.look(this.session, this.#now(), performance.now())
  }

  /** @returns the Valid-Until of the newest release, in Unix milliseconds, when it has passed; else null. */
  frozenSince({ current }: Channel): number | null {
    return frozenSince(current?.release ?? null, this.#now())
  }

  /** @returns what ends the listening. */
  onNotification(listener: (event: NodeEvent) => void): () => void {
    return this.notifier.listen(listener)
  }

  async close(): Promise<void> {
    this.#stopped.abort()
    await this.#gateway?.close()
    await this.checker.close()
    await this.#session?.close()
    this.#session = null
  }

  /** Runs a change of an own channel once those that were asked for before are done. */
  async changing<T>(
    name: string,
    run: (session: Session, channel: Channel, deps: PrepareDeps) => Promise<T>,
    refusesBroken = false,
  ): Promise<T> {
    return this.#inTurn(this.session.publishing(name), (session, channel) => {
      session.requireRunning(channel)
      return run(session, channel, this.#publishDeps(session, refusesBroken))
    })
  }

  /** One change of a channel after the other. */
  async #inTurn<T>({ key, log }: Channel, run: (session: Session, channel: Channel) => Promise<T>): Promise<T> {
    const earlier = this.#publishing.get(key) ?? Promise.resolve()
    const running = earlier.then(() => {
      const { session } = this
      return run(session, session.channel(log.id)) // it may be another session by now
    })
    this.#publishing.set(
      key,
      running.catch(() => {}),
    ) // the caller sees the error; the next one only waits
    return running
  }

  #publishDeps({ pool, heads, files, network, prepared }: Session, refusesBroken = false): PrepareDeps {
    const verdicts = refusesBroken ? 'refuse' : this.config.inForce.config.verdicts
    const { checker, warn } = this
    const catchUp: PrepareDeps['catchUp'] = async (of) => network?.catchUp(of)
    return { pool, heads, files, prepared, checker, verdicts, warn, now: this.#now, catchUp }
  }

  async #openSession(): Promise<Session> {
    const session = await Session.open({
      home: this.home,
      network: this.#options.network ?? null,
      config: this.config.inForce.config,
      readFacts: this.#options.readFacts ?? readLinkFacts,
      notifier: this.notifier,
      now: this.#now,
      onFailure: (failure) => void this.#reopen(failure),
      log: this.#options.log ?? (() => {}),
    })
    configureSession(session, this.config.inForce.config) // it may have changed while the session was being opened
    return session
  }

  /** A write failed: that store instance is dead. Close it, and try again until the disk lets us. */
  async #reopen(failure: FreshetError): Promise<void> {
    const failed = this.#session
    if (failed === null || this.#stopped.signal.aborted) return
    this.#session = null
    this.#outage = failure
    this.warn(`${failure.code}: ${failure.message}; the store is being reopened`)
    await failed
      .close()
      .catch((error: unknown) => this.warn(`closing the failed store: ${asFreshetError(error).message}`))
    const { signal } = this.#stopped
    // A session that fails soon after it was opened would do so again at once: the pause goes on growing over it.
    if (performance.now() - this.#reopenedAtMs > RETRY_PAUSE_MS_MAX) this.#reopenPauseMs = RETRY_PAUSE_MS_MIN
    while (!signal.aborted) {
      await pause(this.#reopenPauseMs, undefined, { signal }).catch(() => {}) // stopped: the loop condition sees it
      this.#reopenPauseMs = Math.min(2 * this.#reopenPauseMs, REOPEN_PAUSE_MS_MAX)
      if (signal.aborted) return
      try {
        this.#session = await this.#openSession()
        this.#reopenedAtMs = performance.now()
        this.warn('the store is open again')
        return
      } catch (error) {
        this.#outage = asFreshetError(error)
      }
    }
  }

  /** Looks the session up at every request: it may be another one by then. */
  #gatewaySource(): ReturnType<typeof gatewaySource> {
    return gatewaySource({
      channel: (name) => this.session.channel(name),
      channels: () => this.session.channels,
      notices: (channel, number) => this.#notices(channel, number),
      session: () => this.session,
    })
  }

  /** What a client of release `number` should know. Old releases are asked for as such: only the newest one can be frozen. */
  #notices(channel: Channel, number: number): readonly string[] {
    const trouble = this.#session?.troubles.get(channel.key)
    const since = channel.current?.release.number === number ? this.frozenSince(channel) : null
    return [
      ...(trouble === undefined ? [] : [trouble.code]),
      ...(since === null ? [] : [`frozen since ${new Date(since).toISOString()}`]),
      ...((channel.rollouts.known.get(number)?.halted ?? null) === null ? [] : ['halted']),
    ]
  }
}

function configureSession({ sharing, network, offers }: Session, config: NodeConfig): void {
  sharing.configure(config)
  offers.configure(config)
  network?.configure(config)
}
