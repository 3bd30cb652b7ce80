/** Types of what protocols/ uses of the Holepunch packages, which ship none. Names with _ are internals that guard.ts overrides, and one that swarm.ts calls. */

declare module '@hyperswarm/secret-stream' {
  import type { Duplex } from 'node:stream'

  /** The socket below the encryption: a TCP socket, a UDX stream, or an in-memory bridge. */
  export interface RawStream extends Duplex {
    readonly remoteHost?: string | null
    /** net.Socket: bytes not yet taken by the kernel; the handle knows them byte by byte. */
    readonly _handle?: { readonly writeQueueSize?: number } | null
    /** UDX: bytes sent, repeated ones included. */
    readonly bytesTransmitted?: number
    /** streamx: what waits in its queue. */
    readonly _writableState?: { readonly buffered?: unknown } | null
  }

  export default class NoiseSecretStream {
    constructor(isInitiator: boolean, rawStream?: Duplex | null, options?: NoiseOptions)
    static keyPair(seed?: Buffer): KeyPair
    readonly isInitiator: boolean
    readonly publicKey: Buffer
    readonly remotePublicKey: Buffer | null
    readonly handshakeHash: Buffer | null
    readonly opened: Promise<boolean>
    readonly rawStream: RawStream
    readonly rawBytesWritten: number
    readonly rawBytesRead: number
    readonly destroyed: boolean
    readonly destroying: boolean
    readonly _writableState: { readonly buffered: number } | null
    userData: unknown
    write(bytes: Uint8Array): boolean
    pause(): this
    resume(): this
    end(): void
    destroy(error?: Error): void
    emit(event: string, ...values: unknown[]): boolean
    on(event: string, listener: (...values: never[]) => void): this
    once(event: string, listener: (...values: never[]) => void): this
    off(event: string, listener: (...values: never[]) => void): this
  }

  export interface KeyPair {
    readonly publicKey: Buffer
    readonly secretKey: Buffer
  }

  export interface NoiseOptions {
    readonly keyPair?: KeyPair
    /** Of the responder; the handshake fails with anybody else. Only `IK` makes use of it. */
    readonly remotePublicKey?: Buffer
    /** Default: XX, by which each end learns the key of the other. */
    readonly pattern?: 'XX' | 'IK'
  }
}

declare module 'protomux' {
  import type NoiseSecretStream from '@hyperswarm/secret-stream'

  export interface WireState {
    start: number
    end: number
    buffer: Uint8Array | null
  }

  export interface Encoding<T = unknown> {
    preencode(state: WireState, value: T): void
    encode(state: WireState, value: T): void
    decode(state: WireState): T
  }

  export interface MessageOptions {
    readonly encoding?: Encoding<never>
    readonly autoBatch?: boolean
    readonly onmessage?: (message: never, channel: Channel) => unknown
  }

  export interface ChannelOptions {
    readonly userData?: unknown
    readonly protocol: string
    readonly aliases?: readonly string[]
    readonly id?: Uint8Array | null
    readonly unique?: boolean
    readonly handshake?: Encoding<never> | null
    readonly messages?: readonly (MessageOptions | null)[]
    readonly onopen?: (handshake: never, channel: Channel) => unknown
    readonly onclose?: (isRemote: boolean, channel: Channel) => unknown
    readonly ondestroy?: (channel: Channel) => unknown
    readonly ondrain?: (channel: Channel) => unknown
  }

  export interface Channel {
    readonly protocol: string
    readonly id: Buffer | null
    readonly opened: boolean
    readonly closed: boolean
    readonly messages: readonly { send(value: unknown): boolean }[]
    userData: unknown
    ondrain: (channel: Channel) => unknown
    open(handshake?: unknown): void
    close(): void
    fullyOpened(): Promise<boolean>
    _close(isRemote: boolean): void
    _track(result: unknown): Promise<void> | null
  }

  export interface RemoteChannel {
    readonly session: Channel | null
    readonly pending: unknown[] | null
  }

  export default class Protomux {
    constructor(stream: NoiseSecretStream)
    static from(stream: NoiseSecretStream): Protomux
    readonly stream: NoiseSecretStream
    readonly isProtomux: true
    corked: number
    drained: boolean
    cork(): void
    uncork(): void
    createChannel(options: ChannelOptions): Channel | null
    pair(key: { protocol: string; id?: Uint8Array | null }, notify: (id: Uint8Array | null) => unknown): void
    unpair(key: { protocol: string; id?: Uint8Array | null }): void
    opened(key: { protocol: string; id?: Uint8Array | null }): boolean
    destroy(error?: Error): void
    [Symbol.iterator](): IterableIterator<Channel>

    protected _buffered: number
    protected _paused: boolean
    protected _destroying: boolean
    protected _batch: { localId: number; buffer: Uint8Array }[] | null
    protected _batchState: WireState | null
    protected readonly _remote: (RemoteChannel | null)[]
    protected readonly _infos: Map<string, { readonly outgoing: readonly number[] }>
    protected _alloc(byteLength: number): Buffer
    protected _ondata(frame: Buffer): void
    protected _ondrain(): void
    protected _onbatch(state: WireState): void
    protected _onopensession(state: WireState): Promise<void> | null
    protected _bufferMessage(remote: RemoteChannel, type: number, state: WireState): void
    protected _pushBatch(localId: number, message: Uint8Array): void
    protected _sendBatch(batch: { localId: number; buffer: Uint8Array }[], state: WireState): void
    protected _write0(buffer: Uint8Array): void
    protected _pauseMaybe(): void
    protected _resumeMaybe(): void
    protected _safeDestroy(error: unknown): void
    protected _warn(error: unknown): void
    protected _shutdown(): void
  }
}

declare module 'hyperdht' {
  import type { KeyPair } from '@hyperswarm/secret-stream'

  export interface DhtAddress {
    readonly host: string
    readonly port: number
  }

  export interface DhtOptions {
    readonly bootstrap?: readonly DhtAddress[]
    readonly host?: string
    readonly port?: number
    readonly anyPort?: boolean
    readonly ephemeral?: boolean
    readonly firewalled?: boolean
  }

  export default class HyperDHT {
    constructor(options?: DhtOptions)
    static bootstrapper(port: number, host: string, options?: DhtOptions): HyperDHT
    static keyPair(seed?: Buffer): KeyPair
    readonly destroyed: boolean
    fullyBootstrapped(): Promise<void>
    /** Resolves when it has its port. */
    bind(): Promise<void>
    address(): DhtAddress
    destroy(options?: { force?: boolean }): Promise<void>
  }
}

declare module 'hyperswarm' {
  import type NoiseSecretStream from '@hyperswarm/secret-stream'
  import type { KeyPair } from '@hyperswarm/secret-stream'
  import type HyperDHT from 'hyperdht'

  export interface PeerInfo {
    readonly publicKey: Buffer
    ban(banned: boolean): void
    shouldGC(): boolean
  }

  export interface DiscoverySession {
    flushed(): Promise<boolean>
    refresh(options: { client: boolean; server: boolean }): Promise<boolean>
    destroy(): Promise<void>
  }

  export interface HyperswarmOptions {
    readonly keyPair?: KeyPair
    readonly dht?: HyperDHT
    readonly maxPeers?: number
    readonly maxServerConnections?: number
    readonly firewall?: (remotePublicKey: Buffer) => boolean
  }

  export default class Hyperswarm {
    constructor(options?: HyperswarmOptions)
    readonly dht: HyperDHT
    readonly keyPair: KeyPair
    readonly connections: ReadonlySet<NoiseSecretStream>
    readonly peers: Map<string, PeerInfo>
    readonly destroyed: boolean
    on(event: 'connection', listener: (stream: NoiseSecretStream, peer: PeerInfo) => void): this
    on(event: 'update', listener: () => void): this
    join(topic: Buffer, options: { server: boolean; client: boolean }): DiscoverySession
    leave(topic: Buffer): Promise<void>
    flush(): Promise<boolean>
    destroy(options?: { force?: boolean }): Promise<void>
    /** What it does with a peer that a look-up of `topic` named. */
    _handlePeer(
      peer: { readonly publicKey: Buffer; readonly relayAddresses: readonly { host: string; port: number }[] },
      topic: Buffer,
    ): void
  }
}
