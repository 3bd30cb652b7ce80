/** A torrent of a folder, as BEP 3 has it: version 1, which both clients read. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { FileSet } from './files.ts'

type Bencoded = number | string | Buffer | readonly Bencoded[] | { readonly [key: string]: Bencoded }

/** Keys of a dictionary must be given in order of their bytes. */
export function bencode(value: Bencoded): Buffer {
  if (typeof value === 'number') return Buffer.from(`i${value}e`)
  if (typeof value === 'string') return bencode(Buffer.from(value))
  if (Buffer.isBuffer(value)) return Buffer.concat([Buffer.from(`${value.length}:`), value])
  const [open, items] = Array.isArray(value) ? ['l', value as readonly Bencoded[]] : ['d', Object.entries(value).flat()]
  return Buffer.concat([Buffer.from(open), ...items.map(bencode), Buffer.from('e')])
}

const KIB = 1024
/** What libtorrent's `create_torrent` chooses: up to so many bytes, pieces of so many. */
const PIECE_LENGTHS = [
  [2_684_355, 16 * KIB],
  [10_737_418, 32 * KIB],
  [42_949_673, 64 * KIB],
] as const

export function usualPieceLength(byteLength: number): number {
  return PIECE_LENGTHS.find(([most]) => byteLength <= most)?.[1] ?? 128 * KIB
}

export async function torrentOf({ directory, files }: FileSet, announce: string, pieceLength: number): Promise<Buffer> {
  const bytes = Buffer.concat(await Promise.all(files.map(({ name }) => readFile(join(directory, name)))))
  const hashes: Buffer[] = []
  for (let offset = 0; offset < bytes.length; offset += pieceLength) {
    const piece = bytes.subarray(offset, offset + pieceLength)
    hashes.push(createHash('sha1').update(piece).digest())
  }
  const info = {
    files: files.map(({ name, byteLength }) => ({ length: byteLength, path: [name] })),
    name: basename(directory),
    'piece length': pieceLength,
    pieces: Buffer.concat(hashes),
  }
  return bencode({ announce, info })
}
