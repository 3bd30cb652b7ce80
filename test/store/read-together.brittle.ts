/** Goal: many `get`s of a turn are one reading of the disk, and each answers as it would alone. */
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import type Hypercore from 'hypercore'
import { readTogether } from '../../store/read-together.ts'
import { openStore, scratchFolder } from '../helpers/channel.ts'

const BLOCKS = Array.from({ length: 100 }, (_, i) => Buffer.from(`block ${i}`))

async function fullCore(t: Assert): Promise<Hypercore> {
  const store = await openStore(t, join(await scratchFolder(t), 'store'))
  const core = store.cores.get({ name: 'read' })
  await core.ready()
  await core.append(BLOCKS)
  return core
}

/** Counts readings of the storage from now on. */
function countReadings({ state }: Hypercore): () => number {
  const read = state.storage.read.bind(state.storage)
  let count = 0
  state.storage.read = () => {
    count++
    return read()
  }
  return () => count
}

test('read together: a hundred blocks at once → one reading, each its own bytes', async (t) => {
  const core = await fullCore(t)
  readTogether(core)
  readTogether(core)
  const readings = countReadings(core)
  const read = await Promise.all(BLOCKS.map((_, i) => core.get(i, {})))
  t.ok(read.every((bytes, i) => bytes?.equals(BLOCKS[i] as Buffer)))
  t.is(readings(), 1)
  const valueEncoding = { decode: (bytes: Buffer) => `${bytes.toString()}, decoded` }
  t.is(String(await core.get(7, { valueEncoding })), 'block 7, decoded')
})

test('read together: a block that is not here, or not yet, or of a core that closes → as without', async (t) => {
  const core = await fullCore(t)
  await core.clear(3, 4)
  readTogether(core)
  const [cleared, beyond, last] = await Promise.all([3, 100, 99].map((block) => core.get(block, { wait: false })))
  t.alike([cleared, beyond, last], [null, null, BLOCKS[99]])
  const asked = core.get(5, {})
  await Promise.all([t.exception(asked, /SESSION_CLOSED/), core.close()])
  await t.exception(core.get(5, {}), /SESSION_CLOSED/)
})
