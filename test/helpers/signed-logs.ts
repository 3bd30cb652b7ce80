/** Logs of one key that tell different stories: what a key on two machines, or a rewritten log, looks like below the level of nodes. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import Corestore from 'corestore'
import type Hypercore from 'hypercore'
import type { Manifest } from 'hypercore'
import type { SignedHead } from '../../schemas/evidence.ts'
import { compareHead } from '../../store/compare-heads.ts'
import { headEvidence } from '../../store/head-evidence.ts'
import type { Replica } from './replicas.ts'

/** One key on several machines: every store opened with it writes logs of the same names. */
const PRIMARY_KEY = Buffer.alloc(32, 7)

/** A log of the shared key in a store of its own, closed and removed when the test ends. */
export async function logOf(t: Assert, ...blocks: readonly string[]): Promise<Hypercore> {
  return (await storedLogOf(t, ...blocks)).core
}

/** The same, for a test that replicates it. */
export async function storedLogOf(t: Assert, ...blocks: readonly string[]): Promise<Replica> {
  const directory = await mkdtemp(join(tmpdir(), 'freshet-log-'))
  const store = new Corestore(directory, { primaryKey: PRIMARY_KEY, unsafe: true })
  const core = store.get({ name: 'log' })
  await core.ready()
  if (blocks.length > 0) await core.append(blocks.map((block) => Buffer.from(block)))
  t.teardown(async () => {
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })
  return { store, core }
}

export function headOf(core: Hypercore): SignedHead {
  const head = headEvidence(core)
  if (head === null) throw new Error('the log has no head yet')
  return head
}

export function manifestOf({ manifest }: Hypercore): Manifest {
  if (manifest === null) throw new Error('the log has no manifest yet')
  return manifest
}

/** Evidence that the two logs, of one key, contradict each other. */
export async function evidenceOf(longer: Hypercore, other: Hypercore): Promise<Buffer> {
  const found = await compareHead(longer, manifestOf(longer), headOf(other))
  if (typeof found === 'string') throw new Error(`the logs are ${found}`)
  return found
}
