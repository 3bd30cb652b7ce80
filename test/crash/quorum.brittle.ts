/**
 * A channel that several people sign, cut off between any two steps of preparing, signing and committing: the same commands,
 * run again, complete, and signatures that were collected stay good. Once by a failure at each step, and once by a power cut,
 * where only what was flushed is left.
 */
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import type { QuorumLog } from '../../store/quorum-log.ts'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { LoopDisk } from '../helpers/loop-disk.ts'
import { scratchFolder, TestNode } from '../helpers/network.ts'
import { skipUnless } from '../helpers/requires.ts'
import { SigningMachine } from '../helpers/signing-machine.ts'

const skipped = skipUnless('root', 'loop')
if (skipped !== null) console.log(`# ${skipped}`)

const DISK_BYTES = 256 * 1024 * 1024
/** Inside a write of the store, which a failure there would end: only a power cut comes between. */
const STORE_STEPS = new Set(['flushed, not synced', 'synced, not announced'])
const LONG = { timeout: 240_000 }

/** Called at every point where something may end. */
type At = (step: string) => Promise<void>

/** What one publisher and its signers have; everything but the .debs may be on a disk that loses power. */
interface Desk {
  readonly node: TestNode
  readonly machines: readonly SigningMachine[]
  readonly debs: string
  readonly request: string
}

async function openDesk(t: Assert, disk: string, debs: string): Promise<Desk> {
  const node = new TestNode(join(disk, 'home'), null)
  t.teardown(() => node.stop(), { order: -1 })
  await node.start()
  const machines: SigningMachine[] = []
  for (const name of ['anna', 'bela']) {
    const folder = join(disk, name)
    await mkdir(folder, { recursive: true })
    machines.push(await SigningMachine.create(t, folder))
  }
  return { node, machines, debs, request: join(disk, 'request') }
}

/** Every command from the channel to the release. @returns the id and the number of the release. */
async function everything({ node, machines, debs, request }: Desk, at: At): Promise<{ id: string; release: number }> {
  const signers = machines.map(({ signer }) => signer)
  const { channels } = node.node.status()
  const known = channels.find(({ name }) => name === 'demo')
  const { id } =
    known !== undefined && known.release > 0
      ? known
      : await node.call<{ id: string }>('channel.create', { name: 'demo', signers, quorum: 2 })
  await at('channel made')
  const source = { kind: 'deb-dir', directory: debs }
  const undo = watchSteps(node, at)
  try {
    await node.call('import', { channel: 'demo', source, request })
    await at('request written')
    const signatures: string[] = []
    for (const machine of machines) {
      signatures.push(await machine.sign(request))
      await at('signed')
    }
    const { release } = await node.call<{ release: number }>('commit', { channel: 'demo', signatures })
    await at('committed')
    return { id, release }
  } finally {
    undo()
  }
}

/** Reaches into the node for the points within a command. */
function watchSteps({ node: { session } }: TestNode, at: At): () => void {
  const { store, prepared } = session
  const log = session.channel('demo').log.quorum as QuorumLog
  const [sync, write, remove, commit] = [
    store.sync.bind(store),
    prepared.write.bind(prepared),
    prepared.remove.bind(prepared),
    log.commit.bind(log),
  ]
  prepared.write = async (...args) => {
    await at('composed, nothing written')
    await write(...args)
    await at('record written')
  }
  log.commit = async (...args) => {
    await commit(...args)
    await at('announced')
  }
  prepared.remove = async (...args) => {
    await at('head recorded')
    await remove(...args)
    await at('record removed')
  }
  store.sync = async () => {
    await at('flushed, not synced')
    await sync()
    await at('synced, not announced')
  }
  return () => Object.assign(store, { sync })
}

const nothing: At = async () => {}

class CutOff extends Error {}

/** Every step that a whole run passes, in order. */
async function stepsOf(t: Assert, debs: string): Promise<string[]> {
  const steps: string[] = []
  const desk = await openDesk(t, await scratchFolder(t), debs)
  await everything(desk, async (step) => void steps.push(step))
  await desk.node.stop()
  return steps
}

async function debsOf(t: Assert): Promise<string> {
  const debs = await scratchFolder(t)
  await buildDeb(debs, { name: 'aa', version: '1', architecture: 'amd64', files: { 'usr/share/aa': 'aa' } })
  return debs
}

test(
  'quorum: a failure at each step → the same commands complete with the same request and one release',
  LONG,
  async (t) => {
    const debs = await debsOf(t)
    const steps = await stepsOf(t, debs)
    t.comment(steps.join(', '))
    t.ok(steps.length >= 10, 'every step was seen')
    for (const [cut, step] of steps.entries()) {
      if (STORE_STEPS.has(step)) continue
      const disk = await scratchFolder(t)
      const desk = await openDesk(t, disk, debs)
      let passed = 0
      const end = await everything(desk, async () => {
        if (passed++ === cut) throw new CutOff()
      }).catch((error: unknown) => error)
      const bytes = await readFile(desk.request).catch(() => null)
      await desk.node.stop()
      const again = await openDesk(t, disk, debs)
      const { id, release } = await everything(again, nothing)
      const { log } = again.node.node.session.channel('demo')
      const same = bytes === null || bytes.equals(await readFile(again.request))
      t.alike([end instanceof Error, release, log.id === id, log.length, same], [true, 1, true, 4, true], step)
      await again.node.stop()
    }
  },
)

test(
  'quorum: a power cut at each step → the same commands complete',
  { ...LONG, skip: skipped !== null },
  async (t) => {
    const debs = await debsOf(t)
    const folder = await scratchFolder(t)
    const live = await LoopDisk.make(t, folder, 'live', DISK_BYTES)
    const desk = await openDesk(t, live.mountPoint, debs)
    const cuts: { readonly step: string; readonly disk: LoopDisk }[] = []
    const { id } = await everything(desk, async (step) => {
      // This process is the only one that writes there, and it waits here.
      cuts.push({ step, disk: await live.copy(t, folder, `cut-${cuts.length}`) })
    })
    await desk.node.stop()
    live.unmount()
    t.ok(cuts.length >= 10)
    for (const { step, disk } of cuts) {
      const after = await openDesk(t, disk.mountPoint, debs)
      const keys = after.machines.map(({ signer }) => signer)
      t.alike(
        keys,
        desk.machines.map(({ signer }) => signer),
        `${step}: the keys are there`,
      )
      const end = await everything(after, nothing)
      t.alike(end, { id, release: 1 }, `${step}: the same channel, one release`)
      await after.node.stop()
      disk.unmount()
      await rm(disk.image)
    }
  },
)
