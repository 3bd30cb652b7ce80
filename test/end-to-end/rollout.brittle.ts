/** A release for some followers first: real nodes, one in the share and one outside, and what each gateway gives. */
import { join } from 'node:path'
import test from 'brittle'
import type { Assert } from 'brittle'
import { rolloutPlace } from '../../schemas/rollout.ts'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import type { RolloutList, RolloutResult } from '../../tools/rollout.ts'
import { startAutoMerge } from '../../tools/auto-merge.ts'
import type { ForkResult, ForkStatus } from '../../tools/fork-operations.ts'
import { privateNetwork, scratchFolder } from '../helpers/network.ts'
import type { ImportedRelease, TestNetwork, TestNode } from '../helpers/network.ts'
import { codeOf } from '../helpers/refusal.ts'
import { SigningMachine } from '../helpers/signing-machine.ts'

const LONG = { timeout: 180_000 }

interface World {
  readonly network: TestNetwork
  readonly publisher: TestNode
  readonly id: string
  /** Publishes a release that has one package more. */
  readonly release: (share?: string) => Promise<ImportedRelease>
}

async function world(t: Assert): Promise<World> {
  const network = await privateNetwork(t)
  const publisher = await network.node()
  const id = await publisher.createChannel('demo')
  const debs = await scratchFolder(t)
  let count = 0
  const release: World['release'] = async (share) => {
    await buildDeb(debs, { name: `package-${++count}`, version: '1', architecture: 'amd64' })
    return publisher.call('import', { channel: 'demo', source: { kind: 'deb-dir', directory: debs }, share })
  }
  await release()
  return { network, publisher, id, release }
}

async function follower({ network, id }: World): Promise<TestNode> {
  const node = await network.node()
  await node.call('follow', { id, name: 'demo' })
  await node.serves('demo', 1)
  return node
}

async function placeOf(node: TestNode, release: number): Promise<number> {
  const { publicKey } = await node.node.session.store.cores.createKeyPair('node')
  return rolloutPlace(Buffer.from(node.node.session.channel('demo').key, 'hex'), release, publicKey)
}

/** Two followers, and a share that has the first of them in release 2, and not the other. */
async function twoSides(w: World): Promise<{ inside: TestNode; outside: TestNode; share: string }> {
  const followers = [await follower(w), await follower(w)]
  const placed = await Promise.all(followers.map(async (node) => ({ node, place: await placeOf(node, 2) })))
  const [inside, outside] = placed.toSorted((a, b) => a.place - b.place) as [(typeof placed)[0], (typeof placed)[0]]
  return { inside: inside.node, outside: outside.node, share: `${outside.place / 100}%` }
}

/** What apt would see: packages of the current release, by the gateway. */
async function packagesAt(node: TestNode, when = ''): Promise<number> {
  const url = `${node.gateway}/demo${when}/dists/demo/main/binary-amd64/Packages`
  const answer = await fetch(url)
  if (answer.status !== 200) throw new Error(`${url}: ${answer.status}`)
  return (await answer.text()).split('\n').filter((line) => line.startsWith('Package: ')).length
}

/** Resolves when the node has read the log as far as the publisher has written it. */
async function read(node: TestNode, { publisher }: Pick<World, 'publisher'>): Promise<void> {
  const { length } = publisher.node.session.channel('demo').log
  await node.until('all of the log is read', () => {
    const { session } = node.node
    return session.state(session.channel('demo')).context.readyLength === length
  })
}

const serving = (node: TestNode): number => node.status('demo').release

test(
  'rollout: a share of the followers → one has the release, the other the one before until it is widened',
  LONG,
  async (t) => {
    const w = await world(t)
    const { inside, outside, share } = await twoSides(w)
    t.is((await w.release(share)).release, 2)
    await inside.serves('demo', 2)
    await read(outside, w)
    t.is(serving(outside), 1)
    t.alike([await packagesAt(inside), await packagesAt(outside), await packagesAt(w.publisher)], [2, 1, 2])
    t.is(await packagesAt(outside, '@2'), 2, 'who asks for that release gets it')

    const [held] = outside.status('demo').rollouts
    t.alike([held?.release, held?.halted, held?.taken], [2, null, false])
    t.is(inside.status('demo').rollouts[0]?.taken, true)
    t.is(outside.status('demo').behind, 0, 'it is where it is to be')
    await inside.announced(2)
    t.absent(
      outside.notifications.some(({ release }) => release === 2),
      'nobody is told of what they do not get',
    )

    await outside.stop()
    await outside.start()
    t.alike([serving(outside), outside.status('demo').rollouts[0]?.release], [1, 2], 'a restart changes nothing')
    t.is(await packagesAt(outside, '@2'), 2)

    const widened = await w.publisher.call<RolloutResult>('rollout', { channel: 'demo', release: '2', share: '100%' })
    t.alike(widened, { channel: 'demo', release: 2, share: 100, halted: null, request: null })
    await outside.serves('demo', 2)
    t.is(await packagesAt(outside), 2)
    t.is((await outside.announced(2)).previous, 1)
    t.alike(outside.status('demo').rollouts, [])
    const report = await w.publisher.call<{ failures: unknown[] }>('audit', { channel: 'demo' })
    t.alike(report.failures, [])
  },
)

test(
  'rollout: halted → who has it keeps it and is told, nobody else takes it; the next release passes over it',
  LONG,
  async (t) => {
    const w = await world(t)
    const { inside, outside, share } = await twoSides(w)
    await w.release(share)
    await inside.serves('demo', 2)
    await w.publisher.call('halt', { channel: 'demo', release: '2', reason: 'does not boot' })
    await read(inside, w)
    await read(outside, w)
    t.alike([serving(inside), serving(outside)], [2, 1])
    const [told] = inside.halts
    t.alike([told?.event, told?.release, told?.reason, told?.served], ['halted', 2, 'does not boot', true])
    t.is(outside.halts[0]?.served, false)
    await outside.call('config.set', { name: 'rollout', value: 'early' })
    const late = await follower(w)
    t.alike([serving(outside), serving(late)], [1, 1], 'not even who wants everything early')
    t.is(await packagesAt(late, '@2'), 2, 'who asks for that release gets it')
    const head = await fetch(`${inside.gateway}/demo/dists/demo/InRelease`)
    t.ok([...head.headers.values()].includes('halted'), 'apt’s log can show it')

    t.is((await w.release()).release, 3)
    for (const node of [inside, outside, late]) await node.serves('demo', 3)
    t.is((await outside.announced(3)).previous, 1)
    t.absent(outside.notifications.some(({ release }) => release === 2))

    await w.publisher.call('resume', { channel: 'demo', release: '2' })
    await inside.until('the end of the halt is told', () => inside.halts.length === 2)
    t.is(inside.halts[1]?.event, 'resumed')
    const report = await w.publisher.call<{ failures: unknown[] }>('audit', { channel: 'demo' })
    t.alike(report.failures, [])
  },
)

test('rollout: a follower that wants a release early, or last → by its config, at any time', LONG, async (t) => {
  const w = await world(t)
  const node = await follower(w)
  await node.call('config.set', { name: 'rollout', value: 'last' })
  await w.release('99.99%')
  await read(node, w)
  t.is(serving(node), 1)
  await node.call('config.set', { name: 'rollout', value: 'early' })
  await node.serves('demo', 2)
  await node.call('config.set', { name: 'rollout', value: 'last' })
  t.is(serving(node), 2, 'what was taken stays taken')
  await w.release('0.01%')
  await read(node, w)
  t.is(serving(node), 2)
  await node.stop()
  await node.start()
  t.is(serving(node), 2)
  await node.call('config.set', { name: 'rollout', value: 'early' })
  await node.serves('demo', 3)
})

test('rollout: what cannot be said → refused, and nothing is written', LONG, async (t) => {
  const w = await world(t)
  const { publisher } = w
  const node = await follower(w)
  const said = (operation: 'rollout' | 'halt' | 'resume', args: object, by = publisher): Promise<string> =>
    codeOf(by.call(operation, { channel: 'demo', ...args }))
  const { log } = publisher.node.session.channel('demo')
  const { length } = log
  for (const share of ['0%', '101%', 'all', '']) t.is(await said('rollout', { release: '1', share }), 'USAGE', share)
  t.is(await said('rollout', { release: '1', share: '10%' }), 'ROLLOUT_REFUSED', 'all have it')
  t.is(await said('rollout', { release: '2', share: '10%' }), 'RELEASE_UNKNOWN')
  t.is(await said('halt', { release: '7', reason: 'x' }), 'RELEASE_UNKNOWN')
  t.is(await said('halt', { release: '1', reason: ' ' }), 'USAGE')
  t.is(await said('halt', { release: '1', reason: 'x'.repeat(600) }), 'USAGE')
  t.is(await said('resume', { release: '1' }), 'ROLLOUT_REFUSED')
  t.is(await said('halt', { release: '1', reason: 'x' }, node), 'CHANNEL_READ_ONLY', 'by who has no key')
  t.is(log.length, length)

  await publisher.createChannel('first')
  const debs = await scratchFolder(t)
  await buildDeb(debs, { name: 'aa', version: '1', architecture: 'amd64' })
  const source = { kind: 'deb-dir', directory: debs }
  t.is(await codeOf(publisher.call('import', { channel: 'first', source, share: '10%' })), 'ROLLOUT_REFUSED')

  await w.release('10%')
  t.is(await said('rollout', { release: '2', share: '5%' }), 'ROLLOUT_REFUSED', 'a share does not shrink')
  t.is(await said('rollout', { release: '2', share: '10%' }), 'ROLLOUT_REFUSED')
  t.is(await said('halt', { release: '2', reason: 'breaks' }), 'accepted')
  t.is(await said('halt', { release: '2', reason: 'breaks' }), 'ROLLOUT_REFUSED', 'it is halted already')
  t.is(await said('rollout', { release: '2', share: '50%' }), 'ROLLOUT_REFUSED', 'it must be resumed first')
  t.is(await said('resume', { release: '2' }), 'accepted')
  t.is(await said('rollout', { release: '2', share: '50%' }), 'accepted')
  const { rollouts } = await publisher.call<RolloutList>('rollout', { channel: 'demo' })
  t.alike(rollouts, [{ release: 2, share: 50, halted: null, taken: true }])
})

test('rollout: forks → stand on what upstream offers to everybody, unless somebody says otherwise', LONG, async (t) => {
  const w = await world(t)
  const forker = await follower(w)
  await forker.call('config.set', { name: 'rollout', value: 'early' })
  await w.release('10%')
  await forker.serves('demo', 2)
  const wishes: object[] = []
  const made = await forker.call<ForkResult>('fork', { channel: 'demo', name: 'down', wishes })
  t.is(made.upstream.release, 1, 'not what is only tried out')
  const standsOn = async (): Promise<number> =>
    (await forker.call<ForkStatus>('fork.status', { fork: 'down' })).upstream.release
  const widen = (release: string): Promise<unknown> =>
    w.publisher.call('rollout', { channel: 'demo', release, share: '100%' })
  await widen('2')
  await read(forker, w)
  await forker.call('fork.merge', { fork: 'down', auto: 'always' })
  t.is(await standsOn(), 2)

  const merging = startAutoMerge(forker.node, (message) => forker.warnings.push(message))
  t.teardown(() => merging.close(), { order: -1 })
  await w.release('10%')
  await forker.serves('demo', 3)
  await forker.call('fork.merge', { fork: 'down' })
  t.is(await standsOn(), 2, 'not even if it is told to merge')
  await widen('3')
  await forker.until('the fork moves by itself', async () => (await standsOn()) === 3)

  await w.release('10%')
  await forker.serves('demo', 4)
  await forker.call('fork.merge', { fork: 'down', to: '#4' })
  t.is(await standsOn(), 4, 'who names a release gets it')
  await w.publisher.call('halt', { channel: 'demo', release: '4', reason: 'breaks' })
  await read(forker, w)
  await forker.call('fork.merge', { fork: 'down' })
  t.is(await standsOn(), 4, 'a fork does not go back')
})

test(
  'rollout: a channel that several people sign → they sign shares, halts and withdrawals as they do releases',
  LONG,
  async (t) => {
    const network = await privateNetwork(t)
    const publisher = await network.node()
    const machines = [await SigningMachine.create(t), await SigningMachine.create(t)]
    const args = { name: 'demo', signers: machines.map(({ signer }) => signer), quorum: 2 }
    const { id } = await publisher.call<{ id: string }>('channel.create', args)
    const [debs, request] = [await scratchFolder(t), join(await scratchFolder(t), 'request')]
    const source = { kind: 'deb-dir', directory: debs }
    const signed = async (): Promise<void> => {
      const signatures: string[] = []
      for (const machine of machines) signatures.push(await machine.sign(request))
      await publisher.call('commit', { channel: 'demo', signatures })
    }
    const release = async (name: string, share?: string): Promise<void> => {
      await buildDeb(debs, { name, version: '1', architecture: 'amd64' })
      await publisher.call('import', { channel: 'demo', source, request, share })
      await signed()
    }
    await release('aa')
    const node = await network.node()
    await node.call('follow', { id, name: 'demo' })
    await node.serves('demo', 1)
    await node.call('config.set', { name: 'rollout', value: 'last' })
    await release('bb', '10%')
    await read(node, { publisher })
    t.is(serving(node), 1)

    const widen = { channel: 'demo', release: '2', share: '50%' }
    t.is(await codeOf(publisher.call('rollout', widen)), 'QUORUM_NEEDED')
    const halt = { channel: 'demo', release: '2', reason: 'does not boot', request }
    const prepared = await publisher.call<RolloutResult>('halt', halt)
    t.alike([prepared.halted, prepared.request], ['does not boot', request])
    const first = await machines[0]?.check(request)
    t.is((await publisher.call<RolloutResult>('halt', halt)).request, request, 'asked again: the same request')
    t.alike((await machines[0]?.check(request))?.log, first?.log)
    t.is(await codeOf(publisher.call('rollout', { ...widen, request })), 'RELEASE_PREPARED')
    t.is(node.halts.length, 0, 'nothing is said before it is signed')
    await signed()
    await node.until('the halt is told', () => node.halts.length > 0)
    await publisher.call('resume', { channel: 'demo', release: '2', request })
    await signed()
    await publisher.call('rollout', { ...widen, share: '100%', request })
    await signed()
    await node.serves('demo', 2)
    await publisher.call('withdraw', { channel: 'demo', package: 'bb=1', reason: 'loses files', request })
    await signed()
    await node.until('the withdrawal is told', () => node.withdrawals.length > 0)
    const report = await publisher.call<{ failures: unknown[] }>('audit', { channel: 'demo' })
    t.alike(report.failures, [])
  },
)
