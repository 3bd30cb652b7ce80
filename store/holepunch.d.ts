/** Types of the part of Corestore, Hypercore and Hyperbee that store/ uses; the packages ship none (versions are pinned exactly). */

declare module 'hypercore' {
  import type { EventEmitter } from 'node:events'

  export interface Manifest {
    readonly version: number
    readonly quorum: number
    readonly allowPatch: boolean
    readonly signers: readonly { readonly publicKey: Buffer; readonly namespace: Buffer }[]
    /** The first blocks, bound into the key by their tree hash: they need no signature. */
    readonly prologue?: { readonly length: number; readonly hash: Buffer } | null
  }
  /** A node of the Merkle tree; `size` counts the bytes of all blocks below it. */
  export interface TreeNode {
    readonly index: number
    readonly size: number
    readonly hash: Buffer
  }
  /** Private, pinned: what is signed and by whom, changed in one step at every append. */
  export interface CoreState {
    readonly length: number
    readonly fork: number
    readonly signature: Buffer | null
    readonly roots: readonly TreeNode[]
    hash(): Buffer
  }
  /** What Hypercore hands out with `conflict`: the other log's roots at a length, what it has beyond, and its signature. */
  export interface ConflictProof {
    readonly fork: number
    readonly upgrade: {
      readonly start: number
      readonly length: number
      readonly nodes: readonly TreeNode[]
      readonly additionalNodes: readonly TreeNode[]
      readonly signature: Buffer
    }
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
    /** What Hyperbee asks its core for: what `get` resolves with is decoded. */
    readonly valueEncoding?: { decode(bytes: Buffer): unknown }
  }
  /** Private, pinned: reads of the storage that go to the disk together. */
  export interface StorageRead {
    getBlock(block: number): Promise<Buffer | null>
    tryFlush(): void
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
    readonly byteLength: number
    /** Blocks that are here without a gap, from the first on. */
    readonly contiguousLength: number
    readonly fork: number
    readonly writable: boolean
    readonly opened: boolean
    readonly closing: unknown
    readonly manifest: Manifest | null
    readonly peers: readonly ReplicationPeer[]
    /** Private, pinned: the replicator obeys a remote truncation unless told here. */
    readonly core: { readonly replicator: { allowFork: boolean }; readonly state: CoreState }
    /** Private, pinned: of this session, what an atom holds included. */
    readonly state: { readonly storage: { read(): StorageRead } }
    ready(): Promise<void>
    close(): Promise<void>
    session(options?: { atom?: Atom; name?: string }): Hypercore
    get(block: number, options: GetOptions): Promise<Buffer | null>
    has(start: number, end?: number): Promise<boolean>
    append(blocks: readonly Buffer[], options?: { signature: Buffer }): Promise<{ length: number; byteLength: number }>
    truncate(length: number): Promise<void>
    update(options?: { wait?: boolean; force?: boolean }): Promise<boolean>
    treeHash(length?: number): Promise<Buffer>
    download(range: { blocks: readonly number[] } | { start: number; end: number; linear: boolean }): Download
    clear(start: number, end: number): Promise<unknown>
    findingPeers(): () => void
    static discoveryKey(key: Buffer): Buffer
    static key(manifest: Manifest): Buffer
  }
}

declare module 'hypercore/lib/verifier.js' {
  import type { Manifest } from 'hypercore'

  /** What is verified: `signable` gives the bytes that were signed, for the context that the manifest's version demands. */
  export interface SignedView {
    readonly length: number
    readonly fork: number
    hash(): Buffer
    signable(context: Buffer): Buffer
  }
  export default class Verifier {
    constructor(key: Buffer, manifest: Manifest)
    verify(view: SignedView, signature: Buffer): boolean
    static manifestHash(manifest: Manifest): Buffer
    static encodeManifest(manifest: Manifest): Buffer
    static decodeManifest(bytes: Buffer): Manifest
    static isCompat(key: Buffer, manifest: Manifest): boolean
  }
}

declare module 'hypercore/lib/caps.js' {
  const caps: {
    readonly DEFAULT_NAMESPACE: Buffer
    treeSignable(context: Buffer, treeHash: Buffer, length: number, fork: number): Buffer
  }
  export default caps
}

declare module 'hypercore/lib/multisig.js' {
  export interface PartialSignature {
    readonly signer: number
    readonly signature: Buffer
    readonly patch: number
  }
  const multisig: {
    assemble(parts: readonly (PartialSignature & { readonly nodes: null })[]): Buffer
    inflate(signature: Buffer): { readonly proofs: readonly PartialSignature[] }
  }
  export default multisig
}

declare module 'hypercore/lib/merkle-tree.js' {
  import type { CoreState, TreeNode } from 'hypercore'

  /** A Merkle tree that grows in memory: nothing of `session` but its state is used. */
  export class MerkleTreeBatch {
    constructor(session: {
      readonly fork: number
      readonly roots: readonly TreeNode[]
      readonly length: number
      readonly byteLength: number
      readonly signature: null
      readonly prologue: null
    })
    readonly length: number
    append(block: Buffer): void
    hash(): Buffer
  }
  const tree: {
    readonly MerkleTree: { get(state: CoreState, index: number): Promise<TreeNode | null> }
    readonly MerkleTreeBatch: typeof MerkleTreeBatch
  }
  export default tree
}

declare module 'hypercore-crypto' {
  import type { TreeNode } from 'hypercore'

  const crypto: {
    data(block: Buffer): Buffer
    parent(left: TreeNode, right: TreeNode): Buffer
    tree(roots: readonly TreeNode[]): Buffer
    keyPair(seed: Buffer): { readonly publicKey: Buffer; readonly secretKey: Buffer }
    sign(message: Buffer, secretKey: Buffer): Buffer
  }
  export default crypto
}

declare module 'corestore' {
  import type Hypercore from 'hypercore'
  import type { Atom, Manifest } from 'hypercore'

  export interface KeyPair {
    readonly publicKey: Buffer
    readonly secretKey: Buffer
  }
  export interface CoreOptions {
    readonly name?: string
    readonly key?: Buffer
    /** Never together with `key`: a key of another core would be taken without a word. */
    readonly manifest?: Manifest
    readonly allowFork?: boolean
    /** False: the core is not replicated. */
    readonly active?: boolean
  }
  export interface WriteBatch {
    flush(): Promise<void>
  }
  export default class Corestore {
    constructor(directory: string, options?: { readOnly?: boolean; primaryKey?: Buffer; unsafe?: boolean })
    readonly storage: {
      createAtom(): Atom
      close(): Promise<void>
      hasCore(discoveryKey: Buffer): Promise<boolean>
      /** Discovery key of the core that was made under a name; null: none was. */
      getAlias(alias: { readonly name: string; readonly namespace: Buffer }): Promise<Buffer | null>
      readonly db: { readonly _state: { createWriteBatch(session: unknown, options?: object): WriteBatch } }
    }
    readonly ns: Buffer
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
    /** `update: false`: does not ask peers for a longer core first. */
    batch(options: { update: false }): BeeBatch
    get(key: Buffer): Promise<BeeEntry | null>
    createReadStream(range?: { gte: Buffer; lt: Buffer }): AsyncIterable<BeeEntry>
    checkout(length: number): Hyperbee
  }
}

/** Private, pinned: the codecs of a Hyperbee's blocks (store/bee-reader.ts walks them with bounds). They throw plain errors and RangeErrors. */
declare module 'hyperbee/lib/messages.js' {
  export const Header: { encode(header: { protocol: string; metadata: null }): Buffer }
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
