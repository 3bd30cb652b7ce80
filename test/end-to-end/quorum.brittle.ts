/** A channel that two of three people sign: prepared on one machine, signed on others, committed, followed, served to apt. */
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { scratchApt } from '../../tools/demo/scratch-apt.ts'
import { jsonOf, runCommand } from '../helpers/command-line.ts'
import {
  type ImportedRelease,
  privateNetwork,
  scratchFolder,
  type TestNetwork,
  type TestNode,
} from '../helpers/network.ts'
import { codeOf } from '../helpers/refusal.ts'
import { skipUnless } from '../helpers/requires.ts'
import { SigningMachine } from '../helpers/signing-machine.ts'

const MINUTE = { timeout: 60_000 }
const missing = skipUnless('apt', 'dpkg')

interface Prepared extends ImportedRelease {
  readonly request: string | null
}

interface Setup {
  readonly network: TestNetwork
  readonly publisher: TestNode
  readonly machines: readonly SigningMachine[]
  readonly id: string
  readonly debs: string
  readonly request: string
}

class QuorumTest {
  readonly setup: Setup

  private constructor(setup: Setup) {
    this.setup = setup
  }

  static async start(t: Assert, offline = false): Promise<QuorumTest> {
    const network = await privateNetwork(t)
    const publisher = await network.node({ offline })
    const machines = [await SigningMachine.create(t), await SigningMachine.create(t), await SigningMachine.create(t)]
    const args = { name: 'demo', signers: machines.map(({ signer }) => signer), quorum: 2 }
    const { id } = await publisher.call<{ id: string }>('channel.create', args)
    const request = join(await scratchFolder(t), 'request')
    return new QuorumTest({ network, publisher, machines, id, debs: await scratchFolder(t), request })
  }

  async build(version: string, name = 'aa'): Promise<void> {
    const files = { [`usr/share/${name}`]: `${name} ${version}` }
    await buildDeb(this.setup.debs, { name, version, architecture: 'amd64', files })
  }

  prepare(options: { replace?: boolean } = {}): Promise<Prepared> {
    const source = { kind: 'deb-dir', directory: this.setup.debs }
    return this.setup.publisher.call('import', { channel: 'demo', source, request: this.setup.request, ...options })
  }

  /** Signature files of the machines with these numbers. */
  async sign(...numbers: readonly number[]): Promise<string[]> {
    const files: string[] = []
    for (const number of numbers)
      files.push(await (this.setup.machines[number] as SigningMachine).sign(this.setup.request))
    return files
  }

  commit(signatures: readonly string[]): Promise<{ release: number; appended: boolean }> {
    return this.setup.publisher.call('commit', { channel: 'demo', signatures })
  }

  async release(version: string, ...numbers: readonly number[]): Promise<number> {
    await this.build(version)
    await this.prepare()
    return (await this.commit(await this.sign(...numbers))).release
  }
}

test('quorum: 2 of 3 → one signature releases nothing, two do; a follower serves it to apt', MINUTE, async (t) => {
  const quorum = await QuorumTest.start(t)
  const { publisher, network, id } = quorum.setup
  await quorum.build('1')
  const prepared = await quorum.prepare()
  t.alike([prepared.release, prepared.added, publisher.status('demo').release], [1, 1, 0], 'nothing is appended')
  const [anna, caro] = (await quorum.sign(0, 2)) as [string, string]
  t.is(await codeOf(quorum.commit([anna])), 'QUORUM_SHORT')
  t.is(publisher.status('demo').release, 0)
  const follower = await network.node()
  await follower.call('follow', { id })
  await follower.until('the genesis is here', () => follower.node.session.channel(id).log.length === 1)
  t.alike((({ release, appended }) => ({ release, appended }))(await quorum.commit([anna, caro])), {
    release: 1,
    appended: true,
  })
  t.is(publisher.status('demo').release, 1)
  await follower.announced(1)
  t.is((await quorum.commit([anna, caro])).appended, false, 'committed again: done already')
  t.is(await quorum.release('2', 1, 2), 2, 'others sign the next one')
  await follower.announced(2)
  if (missing !== null) return t.comment(missing)
  const { key } = await follower.call<{ key: string }>('channel.key', { name: 'demo' })
  const keyring = join(await scratchFolder(t), 'demo.asc')
  await writeFile(keyring, key)
  const apt = await scratchApt({ sources: [`deb [signed-by=${keyring}] ${follower.gateway}/demo demo main`] })
  t.teardown(() => apt.remove())
  const update = await apt.update()
  t.is(update.exitCode, 0, update.exitCode === 0 ? 'apt-get update' : update.output)
  const download = await apt.download(['aa=2'])
  t.is(
    download.exitCode,
    0,
    download.exitCode === 0 ? 'apt-get download, the bytes come from the publisher' : download.output,
  )
})

test(
  'quorum: prepared again → the same request, and signatures stay good; other content only with --replace',
  MINUTE,
  async (t) => {
    const quorum = await QuorumTest.start(t, true)
    await quorum.build('1')
    await quorum.prepare()
    const [bytes, early] = [await readFile(quorum.setup.request), await quorum.sign(0)]
    await quorum.setup.publisher.stop()
    await quorum.setup.publisher.start()
    await quorum.prepare()
    t.ok(
      (await readFile(quorum.setup.request)).equals(bytes),
      'also after a restart, with an InRelease of another date',
    )
    const signature = await readFile(early[0] as string)
    await quorum.sign(0)
    t.alike(await readFile(early[0] as string), signature, 'signed again: the same bytes')
    await quorum.build('1', 'bb')
    t.is(await codeOf(quorum.prepare()), 'RELEASE_PREPARED')
    t.ok((await readFile(quorum.setup.request)).equals(bytes))
    await quorum.prepare({ replace: true })
    t.absent((await readFile(quorum.setup.request)).equals(bytes))
    t.is(await codeOf(quorum.sign(0)), 'SIGNED_OTHER', 'this signer has signed the other one')
    const late = await quorum.sign(1, 2)
    t.is(await codeOf(quorum.commit([...early, ...late])), 'SIGNATURE_WRONG', 'what was collected before is worthless')
    t.is((await quorum.commit(late)).release, 1)
    t.is((await quorum.prepare()).request, null, 'nothing new: nothing to sign')
  },
)

test('quorum: a wrong signature among enough good ones → named, nothing appended', MINUTE, async (t) => {
  const quorum = await QuorumTest.start(t, true)
  await quorum.build('1')
  await quorum.prepare()
  const good = await quorum.sign(0, 1)
  const [stranger] = [await SigningMachine.create(t)]
  t.is(await codeOf(stranger.sign(quorum.setup.request)), 'SIGNER_UNKNOWN')
  const forged = join(await scratchFolder(t), 'caro.sig')
  const [signature] = await quorum.sign(2)
  const bytes = await readFile(signature as string)
  await writeFile(forged, Buffer.concat([bytes.subarray(0, -1), Buffer.of((bytes.at(-1) as number) ^ 1)]))
  const error = await quorum.commit([...good, forged]).then(
    () => null,
    (refused: { code: string; detail: { signer: string; file: string } }) => refused,
  )
  t.alike(error === null ? null : [error.code, error.detail.file, error.detail.signer], [
    'SIGNATURE_WRONG',
    'caro.sig',
    quorum.setup.machines[2]?.signer,
  ])
  t.is(quorum.setup.publisher.status('demo').release, 0)
  t.is((await quorum.commit(good)).release, 1)
})

test(
  'quorum: channel create → lints the signers, gives the same id again, takes no import without --request',
  MINUTE,
  async (t) => {
    const quorum = await QuorumTest.start(t, true)
    const { publisher, machines, id } = quorum.setup
    const signers = machines.map(({ signer }) => signer)
    const create = (args: object): Promise<{ id: string }> =>
      publisher.call('channel.create', { name: 'demo', ...args })
    t.is((await create({ signers: [...signers].reverse(), quorum: 2 })).id, id, 'in any order')
    t.is(await codeOf(create({ signers, quorum: 3 })), 'CHANNEL_EXISTS')
    t.is(await codeOf(create({})), 'CHANNEL_EXISTS')
    for (const [args, code] of [
      [{ signers, quorum: 1 }, 'MANIFEST_WEAK'],
      [{ signers, quorum: 4 }, 'MANIFEST_WEAK'],
      [{ signers: [signers[0], signers[0]], quorum: 2 }, 'MANIFEST_WEAK'],
      [{ signers: ['anna'], quorum: 1 }, 'SIGNER_KEY_INVALID'],
      [{ signers }, 'USAGE'],
      [{ quorum: 2 }, 'USAGE'],
    ] as const) {
      t.is(await codeOf(create({ name: 'other', ...args })), code, JSON.stringify(args).slice(0, 60))
    }
    await quorum.build('1')
    t.is(await codeOf(publisher.importDebs('demo', quorum.setup.debs)), 'QUORUM_NEEDED')
    await publisher.createChannel('single')
    const source = { kind: 'deb-dir', directory: quorum.setup.debs }
    t.is(await codeOf(publisher.call('import', { channel: 'single', source, request: quorum.setup.request })), 'USAGE')
    t.is(await codeOf(quorum.commit([])), 'REQUEST_STALE', 'nothing is prepared')
    await quorum.release('1', 0, 1)
    t.is(await codeOf(create({ signers, quorum: 2 })), 'CHANNEL_EXISTS', 'it has a release by now')
  },
)

test('quorum: the command line from key to release → as the how-to says', { timeout: 120_000 }, async (t) => {
  const folder = await scratchFolder(t)
  const at = (name: string): string => join(folder, name)
  const keys = ['anna', 'bela'].map((name) => at(`${name}.key`))
  const signers: string[] = []
  for (const key of keys) signers.push((await jsonOf<{ signer: string }>('signer', 'create', '--to', key)).signer)
  const home = ['--home', at('home')]
  const named = signers.flatMap((signer) => ['--signer', signer])
  const { id } = await jsonOf<{ id: string }>('channel', 'create', 'demo', ...named, '--quorum', '2', ...home)
  await buildDeb(folder, { name: 'aa', version: '1', architecture: 'amd64' })
  const request = at('demo.request')
  const importing = ['import', 'demo', '--deb-dir', folder, ...home]
  t.is((await runCommand(...importing)).exitCode, 1, 'refused without --request')
  await jsonOf(...importing, '--request', request)
  const paths: string[] = []
  for (const key of keys) {
    await cp(request, `${key}.request`)
    const signed = await jsonOf<Record<string, unknown> & { path: string }>('sign', `${key}.request`, '--key', key)
    t.alike([signed['channel'], signed['id'], signed['release'], signed['suite']], ['demo', id, 1, 'demo'])
    paths.push(signed.path)
  }
  const short = await runCommand('commit', 'demo', paths[0] as string, ...home, '--json')
  t.alike([short.exitCode, JSON.parse(short.stderr).error.code], [1, 'QUORUM_SHORT'])
  t.alike(await jsonOf('commit', 'demo', ...paths, ...home), {
    channel: 'demo',
    id,
    release: 1,
    length: 4,
    appended: true,
  })
})
