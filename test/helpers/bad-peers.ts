/** Peers that are of no use, each in its own way. They show a file for every block of the log. */
import { bundleOf } from '../../schemas/bundle-files.ts'
import { LEAF_BYTES } from '../../schemas/limits.ts'
import { NumberSet } from '../../schemas/number-set.ts'
import type { GuardedMux } from '../../protocols/guard.ts'
import type { ArtifactSource } from '../../protocols/shared-bundle.ts'
import type { Pool } from '../../store/pool.ts'
import { DISCOVERY_KEY, hostileSession } from './exchange-peers.ts'
import type { Fixture } from './pool-fixtures.ts'

const DRIP_MS = 1_000

/** Shows everything and never gives a block. */
export function silent(...files: readonly Fixture[]): (mux: GuardedMux) => void {
  return (mux) => showing(mux, files, () => {})
}

/** From the first block that it is asked for on, everything that it says goes out a byte a second. */
export function dripping(...files: readonly Fixture[]): (mux: GuardedMux) => void {
  return (mux) => {
    let isDripping = false
    const session = showing(mux, files, (handle) => {
      if (!isDripping) drip(mux)
      isDripping = true
      session.send.block({ handle, block: 0, bytes: Buffer.alloc(LEAF_BYTES) })
    })
  }
}

/** Has the file, and changes a bit of whatever it gives. */
export function lying(pool: Pool): ArtifactSource {
  return {
    held: (digest) => pool.held(digest),
    layer: (digest) => pool.layer(digest),
    async read(digest, byteOffset, byteLength) {
      const bytes = Buffer.from(await pool.read(digest, byteOffset, byteLength))
      bytes[0] = (bytes[0] ?? 0) ^ 1
      return bytes
    },
  }
}

/** Bundles have the same numbers as their blocks in the log. @param asked is given the number of the bundle. */
function showing(
  mux: GuardedMux,
  files: readonly Fixture[],
  asked: (handle: number) => void,
): ReturnType<typeof hostileSession> {
  const named = new Map<number, number>()
  const session = hostileSession(mux, {
    open: ({ handle, block }) => {
      const file = files[block]
      if (file === undefined) return
      named.set(handle, block)
      const { blocks, pieces } = bundleOf([file.artifact])
      const maps = { held: NumberSet.full(blocks).encode(), wanted: new NumberSet(pieces).encode() }
      session.send.open({ handle: block, discoveryKey: DISCOVERY_KEY, block, part: 0, ...maps })
    },
    ask: ({ handle }) => asked(named.get(handle) ?? 0),
    askWithLeaves: ({ handle }) => asked(named.get(handle) ?? 0),
  })
  return session
}

function drip({ stream: { rawStream } }: GuardedMux): void {
  const socket = rawStream as unknown as { write(bytes: Buffer): boolean; destroyed: boolean }
  const write = socket.write.bind(socket)
  let waiting = Buffer.alloc(0)
  socket.write = (bytes) => ((waiting = Buffer.concat([waiting, bytes])), true)
  const timer = setInterval(() => {
    write(waiting.subarray(0, 1))
    waiting = waiting.subarray(1)
  }, DRIP_MS)
  rawStream.once('close', () => clearInterval(timer))
}
