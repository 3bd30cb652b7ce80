/** Lines of `freshet status --watch`: what they say, and that they fit. */
import { Writable } from 'node:stream'
import type { WriteStream } from 'node:tty'
import test from 'tape'
import type { LiveFetch, LiveStatus } from '../../actors/live-status.ts'
import type { DigestHex } from '../../schemas/units.ts'
import { liveLines } from '../../tools/live-text.ts'
import { Redraw } from '../../tools/redraw.ts'

const NO_RATE = { up: 0, down: 0 }
const STATUS: LiveStatus = {
  channels: [{ name: 'demo', id: 'id', release: 7, behind: 1, state: 'preparing', peers: 2, trouble: null }],
  peers: 3,
  lanPeers: 1,
  tcpPeers: 2,
  fetching: 1,
  fetches: [fetchOf(0)],
  rates: { lan: { up: 1000, down: 3_000_000 }, peer: { up: 0, down: 1_000_000 }, mirror: NO_RATE },
}

function fetchOf(number: number): LiveFetch {
  const path = `pool/main/o/one/one_${number}_amd64.deb`
  const sha256 = 'ab'.repeat(32) as DigestHex
  return { sha256, path, size: 1_000_000, bytes: 250_000, bytesPerSecond: 50_000, state: 'fetching' }
}

test('live: a node that fetches from neighbours and others → rates by kind, and how far it is', (t) => {
  t.deepEqual(liveLines(STATUS, { columns: 200, rows: 24 }), [
    'demo  #7, 1 behind  preparing  2 peers',
    '3 peers, 1 on the local network, 2 over TCP',
    'down  4.0 MB/s (local network 3.0 MB/s, beyond it 1.0 MB/s)',
    'up    1.0 kB/s (local network 1.0 kB/s)',
    '1 files being fetched',
    '  [#####---------------] 250.0 kB of 1.0 MB  50.0 kB/s  one_0_amd64.deb',
  ])
  t.end()
})

test('live: more than fits → fewer lines than the terminal has, each no longer than it is wide', (t) => {
  const fetches = Array.from({ length: 50 }, (_, number) => fetchOf(number))
  const channels = Array.from({ length: 4 }, () => ({ ...(STATUS.channels[0] as LiveStatus['channels'][number]) }))
  for (const rows of [1, 2, 5, 10, 24, 100]) {
    const lines = liveLines({ ...STATUS, channels, fetching: 900, fetches }, { columns: 40, rows })
    t.ok(lines.length <= Math.max(rows - 1, 1), `${rows} rows`)
    t.ok(lines.every(({ length }) => length <= 40))
  }
  const lines = liveLines({ ...STATUS, fetching: 900, fetches }, { columns: 80, rows: 24 })
  t.equal(lines.length, 23)
  t.equal(lines.at(-1), '  and 883 more')
  t.end()
})

test('redraw: a second block → the first is gone, however long it was', (t) => {
  const written: string[] = []
  const sink = new Writable({
    write: (chunk, _, done) => {
      written.push(String(chunk))
      done()
    },
  })
  const redraw = new Redraw(Object.assign(sink, { columns: 80, rows: 24 }) as unknown as WriteStream)
  redraw.draw(['one', 'two', 'three'])
  redraw.draw(['four'])
  t.equal(written.join(''), '\u001b[1G\u001b[0Jone\ntwo\nthree\n\u001b[3A\u001b[1G\u001b[0Jfour\n')
  t.deepEqual(redraw.screen, { columns: 80, rows: 24 })
  t.end()
})
