/** aria2c as it comes, over BitTorrent. */
import { join } from 'node:path'
import { bitTorrent } from './bittorrent.ts'
import { NodeProcess } from './node-process.ts'
import { has } from '../bench.ts'
import { usualPieceLength } from './torrent.ts'

/** Says so on descriptor 3, which the hook inherits. */
const HOOK = join(import.meta.dirname, 'aria2-done.sh')

export const aria2 = bitTorrent({
  missing: () => (has('aria2c') ? null : 'aria2c is not installed (apt-get install aria2)'),
  pieceLength: usualPieceLength,
  waits: false,
  start: (place, torrent, directory, role) => {
    const options = [
      '--no-conf',
      '--enable-dht=false',
      '--seed-ratio=0.0',
      '--summary-interval=0',
      `--dir=${directory}`,
    ]
    const more = role === 'seed' ? ['--bt-seed-unverified=true'] : [`--on-bt-download-complete=${HOOK}`]
    return new NodeProcess(place, ['aria2c', ...options, ...more, torrent], 3)
  },
})
