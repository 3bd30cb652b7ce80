/** What becomes of a fork when its upstream contradicts itself, has several signers, passes to others, or was never one that can be. */
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { homeAt } from '../../store/home.ts'
import { ReleaseLog } from '../../store/release-log.ts'
import { startAutoMerge } from '../../tools/auto-merge.ts'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import type { ForkResult, ForkStatus, MergeResult } from '../../tools/fork-operations.ts'
import { statusText } from '../../tools/fork-text.ts'
import { codeOf } from '../helpers/refusal.ts'
import { type ImportedRelease, privateNetwork, scratchFolder, type TestNode } from '../helpers/network.ts'
import { SigningMachine } from '../helpers/signing-machine.ts'

const LONG = { timeout: 240_000 }

async function debsOf(t: Assert, version: string): Promise<string> {
  const directory = await scratchFolder(t)
  await buildDeb(directory, { name: 'aa', version, architecture: 'all' })
  return directory
}

function statusOf(node: TestNode): Promise<ForkStatus> {
  return node.call<ForkStatus>('fork.status', { fork: 'down' })
}

test(
  'fork: its upstream signed two histories → the fork stays where it is; merge, edit and metadata refuse, its status says why',
  LONG,
  async (t) => {
    const [here, there] = [await privateNetwork(t), await privateNetwork(t)]
    const original = await here.node()
    const id = await original.createChannel('up')
    await original.importDebs('up', await debsOf(t, '1'))
    const forker = await here.node()
    await forker.call('follow', { id })
    await forker.announced(1)
    const fork = await forker.call<ForkResult>('fork', { channel: 'up', name: 'down', wishes: [] })
    await forker.stop()
    await original.stop()
    // A second machine of the same key, which tells another story.
    const copy = await there.node({ offline: true })
    await copy.stop()
    const [from, to] = [homeAt(original.home), homeAt(copy.home)]
    await rm(join(to.store, 'db'), { recursive: true })
    await cp(join(from.store, 'db'), join(to.store, 'db'), { recursive: true })
    for (const folder of ['heads', 'keys', 'pool', 'indexes'] as const) {
      await cp(from[folder], to[folder], { recursive: true })
    }
    const other = await there.node({ home: copy.home })
    await other.importDebs('up', await debsOf(t, '2.other'))
    await other.stop()
    await original.start()
    await original.importDebs('up', await debsOf(t, '2'))
    await forker.start()
    await forker.announced(2)
    t.alike([(await statusOf(forker)).upstream.trouble, (await statusOf(forker)).to], [null, 2], 'one story, as yet')
    await here.node({ home: copy.home })
    await forker.until('both stories met', () => forker.status('up').state === 'stopped')

    const status = await statusOf(forker)
    t.alike([status.release, status.upstream.trouble, status.to], [1, 'EQUIVOCATION', 1])
    t.ok(statusText(status).includes('EQUIVOCATION'))
    t.is(await codeOf(forker.call('fork.merge', { fork: 'down' })), 'EQUIVOCATION')
    t.is(
      await codeOf(forker.call('fork.change', { fork: 'down', wishes: [{ wish: 'remove', packages: ['aa'] }] })),
      'EQUIVOCATION',
    )
    t.is(await codeOf(forker.call('meta.merge', { channel: 'down' })), 'EQUIVOCATION')
    t.is(await codeOf(forker.call('fork', { channel: 'up', name: 'again', wishes: [] })), 'EQUIVOCATION')
    t.is(forker.status('down').release, 1)
    const response = await fetch(`${forker.gateway}/down/dists/down/main/binary-amd64/Packages`)
    t.ok((await response.text()).includes('Version: 1\n'), 'what it has is served')
    await forker.stop()
    await forker.start()
    t.alike(
      [forker.status('down').release, (await statusOf(forker)).upstream.trouble],
      [1, 'EQUIVOCATION'],
      'and after a start',
    )
    t.is(fork.release, 1)
  },
)

interface Signers {
  readonly machines: readonly SigningMachine[]
  readonly args: { readonly signers: readonly string[]; readonly quorum: number }
}

async function newSigners(t: Assert): Promise<Signers> {
  const machines = [await SigningMachine.create(t), await SigningMachine.create(t), await SigningMachine.create(t)]
  return { machines, args: { signers: machines.map(({ signer }) => signer), quorum: 2 } }
}

async function commit(t: Assert, publisher: TestNode, { machines }: Signers, request: string): Promise<void> {
  const signatures: string[] = []
  for (const machine of machines.slice(1)) signatures.push(await machine.sign(request))
  await publisher.call('commit', { channel: 'up', signatures })
}

async function release(t: Assert, publisher: TestNode, signers: Signers, version: string): Promise<void> {
  const request = join(await scratchFolder(t), 'request')
  const source = { kind: 'deb-dir', directory: await debsOf(t, version) }
  await publisher.call<ImportedRelease>('import', { channel: 'up', source, request })
  await commit(t, publisher, signers, request)
}

test(
  'fork: of a channel that two of three sign → made, merged, audited; when that passes to others, the merge refuses and names them',
  LONG,
  async (t) => {
    const network = await privateNetwork(t)
    const publisher = await network.node()
    const [before, after] = [await newSigners(t), await newSigners(t)]
    const { id } = await publisher.call<{ id: string }>('channel.create', { name: 'up', ...before.args })
    await release(t, publisher, before, '1')
    const forker = await network.node()
    await forker.call('follow', { id })
    await forker.announced(1)
    const fork = await forker.call<ForkResult>('fork', { channel: 'up', name: 'down', wishes: [] })
    await release(t, publisher, before, '2')
    await forker.serves('up', 2)
    t.is((await forker.call<MergeResult>('fork.merge', { fork: 'down' })).upstream.release, 2)
    const follower = await network.node()
    await follower.call('follow', { id: fork.id })
    await follower.announced(2)
    const audit = await follower.call<{ ok: boolean; failures: unknown[]; unchecked: unknown[] }>('audit', {
      channel: 'down',
    })
    t.alike([audit.ok, audit.failures, audit.unchecked], [true, [], []])

    await release(t, publisher, before, '3')
    const request = join(await scratchFolder(t), 'rotate')
    const { successor } = await publisher.call<{ successor: string }>('channel.rotate', {
      ...{ name: 'up', ...after.args, request },
    })
    await commit(t, publisher, before, request)
    await release(t, publisher, after, '4')
    await forker.until('the name has moved over', () => forker.status('up').id === successor)
    const merged = await forker.call<MergeResult>('fork.merge', { fork: 'down' })
    t.is(merged.upstream.release, 3, 'what was said before is taken still')
    t.is(await codeOf(forker.call('fork.merge', { fork: 'down' })), 'UPSTREAM_PASSED')
    const status = await statusOf(forker)
    t.alike([status.upstream.successor, status.upstream.release], [successor, 3])
    t.ok(statusText(status).includes(successor))
    const next = await forker.call<ForkResult>('fork', { channel: successor, name: 'next', wishes: [] })
    t.alike([next.upstream.id, next.upstream.release], [successor, 1], 'the successor can be forked')
    await forker.call('fork.change', { fork: 'down', wishes: [{ wish: 'rule', rule: 'newer', packages: [] }] })
    t.is(forker.status('down').release, 4, 'and the fork can be changed where it stands')
  },
)

test('fork: of a channel whose upstreams lead back to it → FORK_CYCLE, and nothing is made', LONG, async (t) => {
  const network = await privateNetwork(t)
  const node = await network.node({ offline: true })
  const { session } = node.node
  const log = await ReleaseLog.openOwn(session.store, 'loop')
  const { key } = log.core
  await log.close()
  const hash = Buffer.alloc(32)
  const named = { key, number: 1, block: 3, hash, treeHash: hash }
  await session.createChannel('loop', Buffer.from('key'), async () => {}, named)
  t.is(await codeOf(node.call('fork', { channel: 'loop', name: 'down', wishes: [] })), 'FORK_CYCLE')
  t.is(await codeOf(node.call('fork.status', { fork: 'loop' })), 'FORK_CYCLE')
  t.alike(
    session.channels.map(({ name }) => name),
    ['loop'],
  )
  const warnings: string[] = []
  const merging = startAutoMerge(node.node, (message) => warnings.push(message))
  await merging.close()
  t.alike(warnings, [], 'nor does the daemon try')
})
