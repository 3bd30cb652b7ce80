/** The metadata document between nodes: maintainers write offline, the publisher fixes it, followers read it, old releases keep theirs. */
import test, { type Assert } from 'brittle'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import type { MaintainersResult } from '../../tools/maintainer-operations.ts'
import type { BlameResult, MetadataLogResult, MetadataResult, WrittenResult } from '../../tools/metadata-operations.ts'
import { jsonOf, runCommand } from '../helpers/command-line.ts'
import { privateNetwork, scratchFolder, type TestNetwork, type TestNode } from '../helpers/network.ts'
import { codeOf } from '../helpers/refusal.ts'

const LONG = { timeout: 180_000 }

interface Curated {
  readonly network: TestNetwork
  readonly id: string
  readonly publisher: TestNode
  /** Follows, and writes. */
  readonly maintainer: TestNode
  readonly key: string
  /** Imports a release with one more package. */
  readonly release: (number: number) => Promise<void>
}

async function curated(t: Assert): Promise<Curated> {
  const network = await privateNetwork(t)
  const publisher = await network.node()
  const id = await publisher.createChannel('demo')
  const debs = await scratchFolder(t)
  const release = async (number: number): Promise<void> => {
    await buildDeb(debs, { name: `pkg${number}`, version: '1', architecture: 'amd64' })
    await publisher.importDebs('demo', debs)
  }
  await release(1)
  const maintainer = await network.node()
  await maintainer.call('follow', { id, name: 'demo' })
  await maintainer.serves('demo', 1)
  const { key } = await maintainer.call<{ key: string }>('maintainer.invite', { channel: 'demo', name: 'Ada' })
  return { network, id, publisher, maintainer, key, release }
}

function set(node: TestNode, path: string, value: string | null): Promise<WrittenResult> {
  return node.call('meta.set', { channel: 'demo', registers: { [path]: value } })
}

async function valueOf(node: TestNode, path: string, when: string | null = null): Promise<string | null> {
  const { registers } = await node.call<MetadataResult>('meta.get', { channel: 'demo', when, path })
  return registers.find((register) => register.path === path)?.value ?? null
}

test(
  'metadata: a maintainer writes → it counts once added, reaches followers, and stays with its release',
  LONG,
  async (t) => {
    const { network, id, publisher, maintainer, key, release } = await curated(t)
    const pin = 'package/bash/pin'
    const early = await set(maintainer, pin, '5.2-1')
    t.alike([early.change, early.counts, early.maintainer], [1, false, key])
    t.is(await valueOf(publisher, pin), null, 'nobody has named this maintainer yet')
    const added = await publisher.call<MaintainersResult>('maintainer.add', { channel: 'demo', key })
    t.alike(
      added.maintainers.map(({ key: of, name, removedAfter }) => [of, name, removedAfter]),
      [[key, 'Ada', null]],
    )
    await publisher.until('the change is here', async () => (await valueOf(publisher, pin)) === '5.2-1')
    await release(2)
    t.is(await valueOf(publisher, pin, '#2'), '5.2-1')
    t.is(await valueOf(publisher, pin, '#1'), null, 'release 1 has the metadata it had')

    await maintainer.serves('demo', 2)
    const later = await set(maintainer, pin, '5.2-2')
    t.alike([later.change, later.counts], [2, true])
    const follower = await network.node()
    await follower.call('follow', { id, name: 'demo' })
    await follower.serves('demo', 2)
    await follower.until('what is new arrived', async () => (await valueOf(follower, pin)) === '5.2-2')
    t.is(await valueOf(follower, pin, '#2'), '5.2-1')
    await release(3)
    await follower.serves('demo', 3)
    t.is(await valueOf(follower, pin, '#3'), '5.2-2')

    const blame = await follower.call<BlameResult>('meta.blame', { channel: 'demo', path: pin })
    t.alike(
      blame.registers[0]?.values.map(({ value, by, name, change }) => [value, by, name, change]),
      [['5.2-2', key, 'Ada', 2]],
    )
    const log = await follower.call<MetadataLogResult>('meta.log', { channel: 'demo' })
    t.alike(
      log.changes.map(({ change, state, registers }) => [change, state, registers[0]?.value]),
      [
        [2, 'counts', '5.2-2'],
        [1, 'counts', '5.2-1'],
      ],
    )
  },
)

test(
  'metadata: two pin one package at the same time → both are shown, and whoever sees both decides',
  LONG,
  async (t) => {
    const { publisher, maintainer, key, release } = await curated(t)
    const pin = 'package/bash/pin'
    const own = await publisher.call<{ key: string }>('maintainer.invite', { channel: 'demo', name: 'Bo' })
    await publisher.call('maintainer.add', { channel: 'demo' })
    await publisher.call('maintainer.add', { channel: 'demo', key })
    await maintainer.until('it is named', async () => (await namesOf(maintainer)).length === 2)
    // Each while the other is away: neither has seen the other's.
    await publisher.stop()
    await set(maintainer, pin, '5.2-1')
    await maintainer.stop()
    await publisher.start()
    t.is((await set(publisher, pin, '5.1-9')).change, 1)
    await maintainer.start()
    await publisher.until('the other pin is here', async () => (await conflictsOf(publisher, pin)).length === 2)
    t.alike((await conflictsOf(publisher, pin)).toSorted(), ['5.1-9', '5.2-1'])
    await set(publisher, pin, '5.1-9')
    t.alike(await conflictsOf(publisher, pin), ['5.1-9'])
    await release(2)
    const { registers } = await publisher.call<BlameResult>('meta.blame', { channel: 'demo', when: '#2', path: pin })
    t.is(registers[0]?.values[0]?.by, own.key)
  },
)

test(
  'metadata: a maintainer is removed → what they wrote stays, what they write then is refused by all',
  LONG,
  async (t) => {
    const { network, id, publisher, maintainer, key, release } = await curated(t)
    const [before, after] = ['package/bash/pin', 'package/curl/pin']
    await publisher.call('maintainer.add', { channel: 'demo', key })
    await set(maintainer, before, '5.2-1')
    await publisher.until('the change is here', async () => (await valueOf(publisher, before)) === '5.2-1')
    await release(2)
    await maintainer.serves('demo', 2)
    // Unheard: the removal is not here yet.
    const removed = await publisher.call<MaintainersResult>('maintainer.remove', { channel: 'demo', key: 'Ada' })
    t.alike([removed.maintainers[0]?.removedAfter, removed.maintainers[0]?.changes], [1, 1])
    await maintainer.until('they know', async () => (await namesOf(maintainer))[0]?.removedAfter === 1)
    t.is(await codeOf(set(maintainer, after, '8')), 'MAINTAINER_REMOVED')
    t.is(await codeOf(publisher.call('maintainer.add', { channel: 'demo', key })), 'MAINTAINER_EXISTS')
    t.is(
      await codeOf(publisher.call('maintainer.remove', { channel: 'demo', key, changes: 0 })),
      'MAINTAINER_INVALID',
      'what is fixed is not taken back',
    )

    // Written all the same, by a node that does not obey: nobody takes it up.
    const { metadata } = maintainer.node.session.channel('demo')
    const own = await metadata.own()
    const draft = await metadata.whole('with own drafts')
    const made = draft.document.edit([{ path: after, value: '8' }], null, 0)
    await own?.append(2, made as Buffer, [{ key: own.key, seq: 1 }])
    const follower = await network.node()
    await follower.call('follow', { id, name: 'demo' })
    await follower.serves('demo', 2)
    await follower.until('the change is known', async () => (await loggedOf(follower)).length === 2)
    t.alike(
      (await loggedOf(follower)).map(({ change, state, code }) => [change, state, code]),
      [
        [2, 'refused', 'CHANGE_AFTER_REMOVAL'],
        [1, 'counts', null],
      ],
    )
    await release(3)
    t.is(await valueOf(publisher, after, '#3'), null)
    t.is(await valueOf(publisher, before, '#3'), '5.2-1')
    await follower.serves('demo', 3)
    t.is(await valueOf(follower, after), null)
    t.is(await valueOf(follower, before), '5.2-1')
  },
)

test(
  'metadata: what cannot be a maintainer, a register, a value → refused, and nothing is written',
  LONG,
  async (t) => {
    const { publisher, maintainer, id } = await curated(t)
    const { length } = publisher.node.session.channel('demo').log
    const add = (key: string): Promise<string> => codeOf(publisher.call('maintainer.add', { channel: 'demo', key }))
    t.is(await add('nonsense'), 'MAINTAINER_INVALID')
    t.is(await add(id), 'MAINTAINER_INVALID')
    t.is(await codeOf(publisher.call('maintainer.add', { channel: 'demo' })), 'MAINTAINER_UNKNOWN')
    t.is(await codeOf(maintainer.call('maintainer.add', { channel: 'demo' })), 'CHANNEL_READ_ONLY')
    t.is(await codeOf(publisher.call('maintainer.remove', { channel: 'demo', key: id })), 'MAINTAINER_UNKNOWN')
    t.is(await codeOf(set(publisher, 'package/bash/pin', '1')), 'MAINTAINER_UNKNOWN')
    t.is(await codeOf(set(maintainer, 'package/bash/pin', 'no version!')), 'METADATA_INVALID')
    t.is(await codeOf(set(maintainer, 'package/bash/owner', 'me')), 'METADATA_INVALID')
    t.is(await codeOf(maintainer.call('meta.set', { channel: 'demo', registers: {} })), 'USAGE')
    t.is(await codeOf(maintainer.call('meta.publish', { channel: 'demo' })), 'CHANNEL_READ_ONLY')
    const other = await publisher.createChannel('other')
    await maintainer.call('follow', { id: other, name: 'other' })
    const elsewhere = await maintainer.call<{ key: string }>('maintainer.invite', { channel: 'other' })
    t.is(await add(elsewhere.key), 'MAINTAINER_INVALID', 'they asked for another channel')
    t.is(publisher.node.session.channel('demo').log.length, length)
  },
)

test(
  'metadata: on the command line, without a daemon → JSON, and lines for people; an audit holds',
  LONG,
  async (t) => {
    const home = await scratchFolder(t)
    const debs = await scratchFolder(t)
    await buildDeb(debs, { name: 'aa', version: '1', architecture: 'amd64' })
    const network = await privateNetwork(t)
    const node = await network.node({ home, offline: true })
    await node.createChannel('demo')
    await node.importDebs('demo', debs)
    await node.stop() // the home is free for commands
    const invited = await jsonOf<{ key: string; name: string }>(
      ...['maintainer', 'invite', 'demo', '--name', 'Ada', '--home', home],
    )
    const added = await jsonOf<MaintainersResult>('maintainer', 'add', 'demo', '--home', home)
    t.alike([added.maintainers[0]?.key, added.maintainers[0]?.name], [invited.key, 'Ada'])
    const written = await jsonOf<WrittenResult>(
      ...['meta', 'advise', 'demo', 'FSA-1', '--package', 'aa', '--affected', '<< 2', '--fixed', '2'],
      ...['--severity', 'high', '--reference', 'https://example.org/1', '--message', 'reported', '--home', home],
    )
    t.alike([written.change, written.counts], [1, true])
    const read = await runCommand('meta', 'get', 'demo', 'advisory/FSA-1', '--home', home)
    t.alike(read.stdout.split('\n').slice(0, 2), ['advisory/FSA-1/affected  << 2', 'advisory/FSA-1/fixed  2'])
    const bad = await runCommand('meta', 'set', 'demo', 'package/aa/pin', '!', '--home', home)
    t.alike([bad.exitCode, bad.stderr.split(':')[1]?.trim()], [1, 'METADATA_INVALID'])
    await jsonOf('meta', 'set', 'demo', 'advisory/FSA-1/reference', '--delete', '--home', home)
    const published = await jsonOf<{ changes: number; fresh: number }>('meta', 'publish', 'demo', '--home', home)
    t.alike([published.changes, published.fresh], [2, 2])
    await node.start()
    const report = await node.call<{ ok: boolean; failures: unknown[]; unchecked: unknown[] }>('audit', {
      channel: 'demo',
    })
    t.alike([report.ok, report.failures, report.unchecked], [true, [], []])
  },
)

async function namesOf(node: TestNode): Promise<MaintainersResult['maintainers']> {
  return (await node.call<MaintainersResult>('maintainer.list', { channel: 'demo' })).maintainers
}

async function loggedOf(node: TestNode): Promise<MetadataLogResult['changes']> {
  return (await node.call<MetadataLogResult>('meta.log', { channel: 'demo' })).changes
}

/** Every value of a register, the one that is shown first. */
async function conflictsOf(node: TestNode, path: string): Promise<string[]> {
  const { registers } = await node.call<MetadataResult>('meta.get', { channel: 'demo', path })
  return registers.flatMap(({ value, conflicts }) => [value, ...conflicts])
}
