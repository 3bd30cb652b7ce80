/** libtorrent in a small Python program: as it comes, and tuned for a crowd on fast links. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { bitTorrent } from './bittorrent.ts'
import type { Engine } from './engine.ts'
import { NodeProcess } from './node-process.ts'
import { usualPieceLength } from './torrent.ts'

const PROGRAM = join(import.meta.dirname, 'torrent-node.py')
/** The system's, which is where the package of the distribution puts its module. */
const PYTHON = '/usr/bin/python3'
const TUNED_PIECE_BYTES = 32 * 1024

function libtorrent(settings: 'usual' | 'tuned'): Engine {
  return bitTorrent({
    missing: () => (hasModule() ? null : 'libtorrent is not installed (apt-get install python3-libtorrent)'),
    pieceLength: settings === 'usual' ? usualPieceLength : () => TUNED_PIECE_BYTES,
    waits: true,
    start: (place, torrent, directory, role) =>
      new NodeProcess(place, [PYTHON, PROGRAM, settings, role, torrent, directory]),
  })
}

export const libtorrentUsual = libtorrent('usual')
export const libtorrentTuned = libtorrent('tuned')

function hasModule(): boolean {
  try {
    execFileSync(PYTHON, ['-c', 'import libtorrent'], { stdio: 'ignore' })
    return true
  } catch {
    return false // exactly what is asked here
  }
}
