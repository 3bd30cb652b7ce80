/** The metadata document between nodes: maintainers write offline, the publisher fixes it, followers read it, old releases keep theirs. */
import test, { type Assert } from 'brittle'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import type { MaintainersResult } from '../../tools/maintainer-operations.ts'
import type { BlameResult, MetadataLogResult, MetadataResult, WrittenResult } from '../../tools/metadata-operations.ts'
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
  release(number: number): Promise<void>
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

test('metadata: a maintainer writes → it counts once added, reaches followers, and stays with its release', LONG, async (t) => {
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
})
