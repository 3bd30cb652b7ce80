/** Types of the part of Corestore, Hypercore and Hyperbee that store/ uses; the packages ship none (versions are pinned exactly). */

declare module 'hypercore' {
  import type { EventEmitter } from 'node:events'

  export interface Manifest {
    readonly version: number
    readonly quorum: number
    readonly allowPatch: boolean
    readonly signers: readonly { readonly publicKey: Buffer; readonly namespace: Buffer }[]
  }
  export interface ReplicationPeer {
    readonly remotePublicKey: Buffer
    /** Whether it has said yet what it has. */
    readonly remoteSynced: boolean
    readonly remoteLength: number
    readonly remoteFork: number
    readonly stream: unknown
  }
  export interface GetOptions {
    readonly wait?: boolean
    readonly timeout?: number
  }
  export interface Download {
    done(): Promise<boolean>
    destroy(): void
  }
  export interface Atom {
    flushes: (() => Promise<void>)[]
    onflush(fn: () => Promise<void>): void
    flush(): Promise<void>
  }
  export default class Hypercore extends EventEmitter {
    readonly key: Buffer
    readonly discoveryKey: Buffer
    readonly length: number
    /** Blocks that are here without a gap, from the first on. */
    readonly contiguousLength: number
    readonly fork: number
    readonly writable: boolean
    readonly opened: boolean
    readonly closing: unknown
    readonly manifest: Manifest | null
    readonly peers: readonly ReplicationPeer[]
    /** Private, pinned: the replicator obeys a remote truncation unless told here; the signature of the newest head. */
    readonly core: { readonly replicator: { allowFork: boolean }; readonly state: { readonly signature: Buffer } }
    ready(): Promise<void>
    close(): Promise<void>
    session(options?: { atom?: Atom; name?: string }): Hypercore
    get(block: number, options: GetOptions): Promise<Buffer | null>
    has(start: number, end?: number): Promise<boolean>
    append(blocks: readonly Buffer[]): Promise<{ length: number; byteLength: number }>
    truncate(length: number): Promise<void>
    update(options?: { wait?: boolean; force?: boolean }): Promise<boolean>
    treeHash(length?: number): Promise<Buffer>
    download(range: { blocks: readonly number[] }): Download
    clear(start: number, end: number): Promise<unknown>
    findingPeers(): () => void
    static discoveryKey(key: Buffer): Buffer
  }
}

declare module 'corestore' {
  import type Hypercore from 'hypercore'
  import type { Atom } from 'hypercore'

  export interface KeyPair {
    readonly publicKey: Buffer
    readonly secretKey: Buffer
  }
  export interface CoreOptions {
    readonly name?: string
    readonly key?: Buffer
    readonly allowFork?: boolean
    /** False: the core is not replicated. */
    readonly active?: boolean
  }
  export interface WriteBatch {
    flush(): Promise<void>
  }
  export default class Corestore {
    constructor(directory: string, options?: { readOnly?: boolean })
    readonly storage: {
      createAtom(): Atom
      hasCore(discoveryKey: Buffer): Promise<boolean>
      readonly db: { readonly _state: { createWriteBatch(session: unknown, options?: object): WriteBatch } }
    }
    ready(): Promise<void>
    close(): Promise<void>
    get(options: CoreOptions): Hypercore
    createKeyPair(name: string): Promise<KeyPair>
    replicate(stream: unknown): unknown
  }
}

declare module 'hyperbee' {
  import type Hypercore from 'hypercore'

  export interface BeeEntry {
    readonly seq: number
    readonly key: Buffer
    readonly value: Buffer
  }
  export interface BeeBatch {
    get(key: Buffer): Promise<BeeEntry | null>
    put(key: Buffer, value: Buffer): Promise<void>
    flush(): Promise<void>
  }
  export default class Hyperbee {
    constructor(core: Hypercore, options: { keyEncoding: 'binary'; valueEncoding: 'binary' })
    ready(): Promise<void>
    batch(): BeeBatch
    get(key: Buffer): Promise<BeeEntry | null>
    createReadStream(range?: { gte: Buffer; lt: Buffer }): AsyncIterable<BeeEntry>
    checkout(length: number): Hyperbee
  }
}

/** Private, pinned: the codecs of a Hyperbee's blocks (store/bee-reader.ts walks them with bounds). They throw plain errors and RangeErrors. */
declare module 'hyperbee/lib/messages.js' {
  export interface Entry {
    readonly key: Buffer
    readonly value: Buffer | null
    readonly index: Buffer
  }
  export interface Index {
    readonly levels: readonly { readonly keys: readonly number[]; readonly children: readonly number[] }[]
  }
  export const Node: { decode(bytes: Buffer): Entry; encode(entry: Entry): Buffer }
  export const YoloIndex: { decode(bytes: Buffer): Index; encode(index: Index): Buffer }
}

declare module 'hypercore-id-encoding' {
  const HypercoreId: { encode(key: Buffer): string; decode(text: string): Buffer }
  export default HypercoreId
}
