/** A channel passes to other signers: its followers move over by themselves, and only to what continues its log. */
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { foundChannel, signerSet } from '../../store/quorum.ts'
import { parseSigner } from '../../store/signer-key.ts'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { type ImportedRelease, privateNetwork, scratchFolder, type TestNode } from '../helpers/network.ts'
import { codeOf } from '../helpers/refusal.ts'
import { SigningMachine } from '../helpers/signing-machine.ts'

const MINUTE = { timeout: 90_000 }

interface Signers {
  readonly machines: readonly SigningMachine[]
  readonly args: { readonly signers: readonly string[]; readonly quorum: number }
}

async function newSigners(t: Assert): Promise<Signers> {
  const machines = [await SigningMachine.create(t), await SigningMachine.create(t), await SigningMachine.create(t)]
  return { machines, args: { signers: machines.map(({ signer }) => signer), quorum: 2 } }
}

/** Signed by two of the three. */
async function sign({ machines }: Signers, request: string): Promise<string[]> {
  const files: string[] = []
  for (const machine of machines.slice(1)) files.push(await machine.sign(request))
  return files
}

async function debsOf(t: Assert, version: string): Promise<string> {
  const directory = await scratchFolder(t)
  await buildDeb(directory, { name: 'aa', version, architecture: 'amd64', files: { 'usr/share/aa': version } })
  return directory
}

async function release(t: Assert, publisher: TestNode, signers: Signers, version: string): Promise<number> {
  const request = join(await scratchFolder(t), 'request')
  const source = { kind: 'deb-dir', directory: await debsOf(t, version) }
  await publisher.call<ImportedRelease>('import', { channel: 'demo', source, request })
  const signatures = await sign(signers, request)
  return (await publisher.call<{ release: number }>('commit', { channel: 'demo', signatures })).release
}

async function versionAt(node: TestNode, channel: string): Promise<string | undefined> {
  const response = await fetch(`${node.gateway}/${channel}/dists/demo/main/binary-amd64/Packages`)
  return /^Version: (.*)$/m.exec(await response.text())?.[1]
}

/** Waits until the follower serves the successor under the name, and checks what became of the old channel. */
async function requireMoved(
  t: Assert,
  node: TestNode,
  oldId: string,
  successor: string,
  version: string,
): Promise<void> {
  await node.until('it has moved over', () => node.node.session.channel(oldId).name !== 'demo')
  t.is(node.status('demo').id, successor, 'the name is the successor’s')
  const old = node.status(oldId)
  t.alike([old.name, old.state, old.trouble], [`demo.${oldId.slice(0, 8)}`, 'current', null], 'the old one is kept')
  t.is(await versionAt(node, 'demo'), version)
  t.is(await versionAt(node, old.name), '1', 'and still served under its own')
}

test(
  'rotation: 2 of 3 pass to 2 of 3 others → followers move over at the first release, also one that was away',
  MINUTE,
  async (t) => {
    const network = await privateNetwork(t)
    const publisher = await network.node()
    const [before, after] = [await newSigners(t), await newSigners(t)]
    const { id } = await publisher.call<{ id: string }>('channel.create', { name: 'demo', ...before.args })
    await release(t, publisher, before, '1')
    const [follower, away] = [await network.node(), await network.node()]
    for (const node of [follower, away]) {
      await node.call('follow', { id })
      await node.announced(1)
    }
    await away.stop()
    const request = join(await scratchFolder(t), 'rotate')
    const rotate = (options: object): Promise<{ successor: string }> =>
      publisher.call('channel.rotate', { name: 'demo', ...after.args, request, ...options })
    t.is(await codeOf(rotate({ request: null })), 'QUORUM_NEEDED')
    const { successor } = await rotate({})
    t.is((await rotate({})).successor, successor, 'repeated: the same')
    t.is(await codeOf(rotate({ quorum: 3 })), 'RELEASE_PREPARED')
    t.is(await codeOf(sign(after, request)), 'SIGNER_UNKNOWN', 'it is the old signers who pass it on')
    const [checked] = [await (before.machines[0] as SigningMachine).check(request)]
    t.is(checked?.successor?.channel.quorum, 2, 'they see to whom')
    const signatures = await sign(before, request)
    t.is((await publisher.call<{ appended: boolean }>('commit', { channel: 'demo', signatures })).appended, true)
    t.is((await publisher.call<{ appended: boolean }>('commit', { channel: 'demo', signatures })).appended, false)
    await follower.until('it has heard', () => follower.node.status().channels.length === 2)
    t.is(follower.status('demo').id, id, 'no release of the successor yet: the old one is served')
    await publisher.stop()
    await publisher.start()
    t.is(await release(t, publisher, after, '2'), 1, 'the same command goes to the successor, which counts from 1')
    await requireMoved(t, follower, id, successor, '2')
    await requireMoved(t, publisher, id, successor, '2')
    await away.start()
    await requireMoved(t, away, id, successor, '2')
    for (const node of [follower, publisher]) {
      await node.stop()
      await node.start()
      await requireMoved(t, node, id, successor, '2')
    }
    t.is(await release(t, publisher, after, '3'), 2)
    await follower.serves('demo', 2)
    t.is((await publisher.call<{ appended: boolean }>('commit', { channel: 'demo', signatures })).appended, false)
  },
)

test(
  'rotation: a channel of one key passes to several signers → at once; nothing is added to the old log',
  MINUTE,
  async (t) => {
    const network = await privateNetwork(t)
    const publisher = await network.node()
    const after = await newSigners(t)
    const id = await publisher.createChannel('demo')
    await publisher.importDebs('demo', await debsOf(t, '1'))
    const follower = await network.node()
    await follower.call('follow', { id })
    await follower.announced(1)
    const { successor } = await publisher.call<{ successor: string }>('channel.rotate', { name: 'demo', ...after.args })
    t.is(await codeOf(publisher.importDebs('demo', await debsOf(t, '2'))), 'QUORUM_NEEDED')
    const { log } = publisher.node.session.channel(id)
    const note = { type: 'heartbeat', atMs: 0, ...(await log.newest()), validUntilMs: 1 } as const
    t.is(await codeOf(log.appendNote(log.length, note)), 'ROTATION_INVALID')
    await release(t, publisher, after, '2')
    await requireMoved(t, follower, id, successor, '2')
  },
)

test(
  'rotation: to a log that does not continue this one → both stop, and what was served stays served',
  MINUTE,
  async (t) => {
    const network = await privateNetwork(t)
    const publisher = await network.node()
    const id = await publisher.createChannel('demo')
    await publisher.importDebs('demo', await debsOf(t, '1'))
    const follower = await network.node()
    await follower.call('follow', { id })
    await follower.announced(1)
    const { log } = publisher.node.session.channel(id)
    const { args } = await newSigners(t)
    const { signingKey } = await log.genesis()
    const predecessor = { key: log.core.key, length: log.length, treeHash: Buffer.alloc(32) }
    const about = { name: 'demo', kind: 'deb', createdAtMs: 1, signingKey, predecessor, upstream: null } as const
    const next = foundChannel(signerSet(args.signers.map(parseSigner), args.quorum), about)
    const note = { type: 'rotate', atMs: 1, ...(await log.newest()), successor: next.logKey } as const
    await log.appendRotation(log.length, note, next)
    await follower.until('both have stopped', () =>
      follower.node.status().channels.every(({ state }) => state === 'stopped'),
    )
    const stopped = follower.node.status().channels
    t.alike(
      stopped.map(({ trouble }) => trouble),
      ['ROTATION_INVALID', 'ROTATION_INVALID'],
    )
    t.is(follower.status('demo').id, id)
    t.is(await versionAt(follower, 'demo'), '1')
    await follower.stop()
    await follower.start()
    t.is(await versionAt(follower, 'demo'), '1', 'also after a restart')
    t.is(follower.status('demo').state, 'stopped')
  },
)
