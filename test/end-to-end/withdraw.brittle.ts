/** A version that its publisher takes back: followers are told, nobody gets it unasked, and old releases stay what they are. */
import test from 'brittle'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import type { WithdrawResult } from '../../tools/withdraw.ts'
import { jsonOf } from '../helpers/command-line.ts'
import { privateNetwork, scratchFolder } from '../helpers/network.ts'
import { codeOf } from '../helpers/refusal.ts'
import { writeRepository } from '../helpers/signed-repository.ts'

const LONG = { timeout: 180_000 }

interface Fetched {
  readonly files: readonly { readonly version: string }[]
}

test(
  'withdraw: a version → followers are told at once, fetch leaves it out, the next import too; @WHEN has it',
  LONG,
  async (t) => {
    const network = await privateNetwork(t)
    const publisher = await network.node()
    const id = await publisher.createChannel('demo')
    const debs = await scratchFolder(t)
    for (const version of ['1', '2']) await buildDeb(debs, { name: 'aa', version, architecture: 'amd64' })
    await publisher.importDebs('demo', debs)
    const follower = await network.node()
    await follower.call('follow', { id, name: 'demo' })
    await follower.serves('demo', 1)
    const fetch = (name: string, when: string | null = null): Promise<Fetched> =>
      follower.call('fetch', { channel: 'demo', when, packages: [name] })
    t.is((await fetch('aa')).files[0]?.version, '2')

    const withdraw = (name: string, reason = 'loses files'): Promise<WithdrawResult> =>
      publisher.call('withdraw', { channel: 'demo', package: name, reason })
    t.is(await codeOf(withdraw('aa')), 'USAGE')
    t.is(await codeOf(withdraw('aa=3')), 'PACKAGE_UNKNOWN')
    t.is(await codeOf(withdraw('aa=2', 'x'.repeat(600))), 'USAGE')
    t.is(
      await codeOf(follower.call('withdraw', { channel: 'demo', package: 'aa=2', reason: 'x' })),
      'CHANNEL_READ_ONLY',
    )
    t.is((await withdraw('aa=2')).inNewest, true)
    t.is(await codeOf(withdraw('aa=2')), 'WITHDRAWN_ALREADY')

    await follower.until('it is told', () => follower.withdrawals.length > 0)
    const [told] = follower.withdrawals
    t.alike([told?.name, told?.version, told?.reason, told?.held], ['aa', '2', 'loses files', true])
    const listed = follower.node.session.notices.list(0, null)
    t.alike(
      listed.map(({ number, event }) => [number, event]),
      [
        [1, 'release'],
        [2, 'withdrawn'],
      ],
    )
    t.is((await fetch('aa')).files[0]?.version, '1', 'the newest that is left')
    t.is(await codeOf(fetch('aa=2')), 'PACKAGE_WITHDRAWN')
    t.is((await fetch('aa=2', '#1')).files[0]?.version, '2', 'who asks for that release gets what it holds')

    await buildDeb(debs, { name: 'bb', version: '1', architecture: 'amd64' })
    const { removed, added } = await publisher.importDebs('demo', debs)
    t.alike([added, removed], [1, 1], 'bb came, the withdrawn aa went')
    await follower.serves('demo', 2)
    t.is((await fetch('aa=2', '#1')).files[0]?.version, '2')

    const late = await network.node()
    await late.call('follow', { id, name: 'demo' })
    await late.serves('demo', 2)
    t.is(await codeOf(late.call('fetch', { channel: 'demo', packages: ['aa=2'] })), 'PACKAGE_UNKNOWN')
    t.alike(late.withdrawals, [], 'what was withdrawn before is no news')
  },
)

test(
  'withdraw: from a channel with its distribution’s own index → told, left out of fetch, and the index stays as signed',
  LONG,
  async (t) => {
    const home = await scratchFolder(t)
    const network = await privateNetwork(t)
    const node = await network.node({ home, offline: true })
    await node.createChannel('demo')
    const repository = await writeRepository(await scratchFolder(t), {
      components: { main: [{ name: 'aa', version: '1', architecture: 'amd64' }] },
    })
    const ring = join(await scratchFolder(t), 'ring.asc')
    await writeFile(ring, repository.keyring)
    const source = { kind: 'apt-repo', location: repository.root, suite: 'test', keyrings: [ring] }
    await node.call('import', { channel: 'demo', source, noMirror: true })
    await node.stop()
    const args = ['withdraw', 'demo', 'aa=1', '--reason', 'loses files', '--home', home]
    const said = await jsonOf<WithdrawResult>(...args)
    t.alike(said, { channel: 'demo', name: 'aa', version: '1', reason: 'loses files', inNewest: true, request: null })
    await node.start()
    t.is(await codeOf(node.call('fetch', { channel: 'demo', packages: ['aa'] })), 'PACKAGE_WITHDRAWN')
    t.is((await node.call<Fetched>('fetch', { channel: 'demo', when: '#1', packages: ['aa'] })).files.length, 1)
    const report = await node.call<{ failures: unknown[] }>('audit', { channel: 'demo', keyrings: [ring] })
    t.alike(report.failures, [])
  },
)

test(
  'withdraw: what a machine has → told at once, whatever its filters and interval, once, over restarts',
  LONG,
  async (t) => {
    const network = await privateNetwork(t)
    const publisher = await network.node()
    const id = await publisher.createChannel('demo')
    const debs = await scratchFolder(t)
    for (const name of ['aa', 'bb', 'cc']) await buildDeb(debs, { name, version: '1', architecture: 'amd64' })
    await publisher.importDebs('demo', debs)
    const withdraw = (name: string): Promise<WithdrawResult> =>
      publisher.call('withdraw', { channel: 'demo', package: `${name}=1`, reason: 'loses files' })
    const statusFile = join(await scratchFolder(t), 'status')
    const installed = ['aa', 'cc'].map((name) =>
      [`Package: ${name}`, 'Status: install ok installed', 'Architecture: amd64', 'Version: 1', ''].join('\n'),
    )
    await writeFile(statusFile, installed.join('\n'))
    const follower = await network.node()
    const asked = { packages: ['zz*'], interval: 'daily', statusFile }
    await follower.call('follow', { id, name: 'demo', ...asked })
    await follower.serves('demo', 1)
    const told = (): unknown[] =>
      follower.node.session.notices
        .list(0, null)
        .map((event) => [event.number, event.event === 'withdrawn' ? `${event.name} ${event.installed}` : event.event])
    await follower.until('the release is told', () => told().length > 0)
    await withdraw('bb') // nobody here has it, or asked for it
    await withdraw('aa')
    await follower.until('it is told', () => told().length > 1)
    await follower.stop()
    await withdraw('cc')
    await follower.start()
    await follower.until('what was withdrawn meanwhile is told', () => told().length > 2)
    const expected = [
      [1, 'release'],
      [2, 'aa true'],
      [3, 'cc true'],
    ]
    t.alike(told(), expected)
    await follower.stop()
    await follower.start()
    await buildDeb(debs, { name: 'dd', version: '1', architecture: 'amd64' })
    await publisher.importDebs('demo', debs)
    await follower.serves('demo', 2)
    t.alike(told(), expected, 'none twice')
  },
)
