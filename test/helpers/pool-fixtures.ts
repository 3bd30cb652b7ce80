/** Artifacts with known bytes for tests of the pool, and folders that go away with their test. */
import { createCipheriv } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import type { Artifact } from '../../schemas/artifact.ts'
import { PIECE_BYTES } from '../../schemas/limits.ts'
import { PieceTreeBuilder } from '../../schemas/piece-tree.ts'
import { Pool } from '../../store/pool.ts'

export interface Fixture {
  readonly bytes: Buffer
  readonly artifact: Artifact
  /** Empty for at most one piece. */
  readonly layer: Buffer
  piece(index: number): Buffer
}

/** The same bytes for the same seed, in every process. */
export function fixture(byteLength: number, seed: number): Fixture {
  const key = Buffer.alloc(16)
  key.writeUInt32LE(seed)
  const bytes = createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(byteLength))
  const tree = new PieceTreeBuilder()
  tree.update(bytes)
  const { digest, piecesRoot, layer } = tree.finish()
  return {
    bytes,
    artifact: { digest, byteLength, piecesRoot },
    layer,
    piece: (index) => bytes.subarray(index * PIECE_BYTES, (index + 1) * PIECE_BYTES),
  }
}

/** As a channel describes it whose publisher had no bytes: the layer cannot be checked. */
export function withoutRoot({ artifact }: Fixture): Artifact {
  return { ...artifact, piecesRoot: null }
}

/** A test, or a benchmark: what is made for it goes away with it. */
export type Scope = Pick<Assert, 'teardown'>

export async function temporaryFolder(t: Scope): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'freshet-pool-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

export async function openPool(t: Scope, directory: string): Promise<Pool> {
  const pool = await Pool.open(directory)
  t.teardown(() => pool.close(), { order: -1 })
  return pool
}

export async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** @returns the code of the error that `task` throws, or the word none. */
export async function codeOf(task: Promise<unknown>): Promise<string> {
  try {
    await task
    return 'none'
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}
