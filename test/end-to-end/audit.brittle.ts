/** `freshet audit` as a command: on a publisher's home, on a follower's, with and without the right keys, and on a pool that was tampered with. */
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'brittle'
import type { AuditReport } from '../../schemas/audit-report.ts'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { createSigningKey } from '../../tools/import/openpgp.ts'
import { jsonOf, runCommand } from '../helpers/command-line.ts'
import { privateNetwork, scratchFolder } from '../helpers/network.ts'
import { writeRepository } from '../helpers/signed-repository.ts'

const LONG = { timeout: 180_000 }
const deb = (version: string) => ({
  name: 'greeter',
  version,
  architecture: 'amd64',
  files: { 'usr/share/greeter': version },
})

test(
  'audit: a channel of .debs → exit 0 and a verdict; a swapped file of the pool → exit 3, and its name',
  LONG,
  async (t) => {
    const [home, folder, { address }] = [await scratchFolder(t), await scratchFolder(t), await privateNetwork(t)]
    const where = ['--home', home, '--bootstrap', address]
    await jsonOf('channel', 'create', 'mine', '--home', home)
    for (const version of ['1', '2']) {
      await buildDeb(folder, deb(version))
      await jsonOf('import', 'mine', '--deb-dir', folder, '--home', home)
    }
    const report = await jsonOf<AuditReport & { channel: string }>('audit', 'mine', ...where)
    t.alike([report.ok, report.releases, report.failures, report.unchecked], [true, 2, [], []])
    t.alike([report.channel, report.artifacts?.files, report.signers.length], ['mine', 2, 1])
    t.is(report.signers[0]?.channelKey, true, "the channel's own key signed")
    const told = await runCommand('audit', 'mine', '--since', '2', ...where)
    t.is(told.exitCode, 0)
    t.ok(told.stdout.startsWith('mine holds'), told.stdout)
    t.ok(told.stdout.includes('those before #2 were believed'))

    const pool = join(home, 'pool')
    const files = (await readdir(pool, { recursive: true })).filter((name) => /[0-9a-f]{64}$/.test(name))
    await writeFile(join(pool, files[0] ?? ''), 'something else')
    const swapped = await runCommand('audit', 'mine', '--json', ...where)
    t.is(swapped.exitCode, 3)
    const { ok, failures } = JSON.parse(swapped.stdout) as AuditReport
    t.alike([ok, failures.length, failures[0]?.code], [false, 1, 'ARTIFACT_CHANGED'])
    t.ok((files[0] ?? '').endsWith(failures[0]?.digest ?? 'none'))
    t.is((JSON.parse(swapped.stderr) as { error: { code: string } }).error.code, 'AUDIT_FALSE')
    const words = await runCommand('audit', 'mine', ...where)
    t.ok(words.stdout.includes('DOES NOT HOLD: 1 thing is') && words.stdout.includes('first: ARTIFACT_CHANGED'))
    t.is((await runCommand('audit', 'mine', '--no-pool', ...where)).exitCode, 0)
    t.is((await runCommand('audit', 'mine', '--since', 'x', ...where)).exitCode, 2)
  },
)

test('audit: keys → those that are named decide; a key that nobody has is a gap, not a fault', LONG, async (t) => {
  const [home, folder, { address }] = [await scratchFolder(t), await scratchFolder(t), await privateNetwork(t)]
  const where = ['--home', home, '--bootstrap', address]
  const { root, keyring } = await writeRepository(join(folder, 'repository'), { components: { main: [deb('1')] } })
  const [right, wrong] = [join(folder, 'right.asc'), join(folder, 'wrong.asc')]
  await writeFile(right, keyring)
  await writeFile(wrong, (await createSigningKey('somebody else')).publicKey)
  await jsonOf('channel', 'create', 'far', '--home', home)
  await jsonOf('import', 'far', '--apt-repo', root, '--suite', 'test', '--keyring', right, '--home', home)
  t.is((await runCommand('audit', 'far', '--keyring', right, ...where)).exitCode, 0)
  const forged = await runCommand('audit', 'far', '--keyring', wrong, '--json', ...where)
  t.is(forged.exitCode, 3)
  t.is((JSON.parse(forged.stdout) as AuditReport).failures[0]?.code, 'IN_RELEASE_FORGED')
  const unknown = await runCommand('audit', 'far', '--json', ...where)
  t.is(unknown.exitCode, 1)
  const { ok, failures, unchecked } = JSON.parse(unknown.stdout) as AuditReport
  t.alike([ok, failures, unchecked.map(({ code }) => code)], [false, [], ['IN_RELEASE_KEY_UNKNOWN']])
  t.is((JSON.parse(unknown.stderr) as { error: { code: string } }).error.code, 'AUDIT_INCOMPLETE')
})

test('audit: on a follower → fetches the log it has not got, and holds', LONG, async (t) => {
  const network = await privateNetwork(t)
  const [publisher, follower, folder] = [await network.node(), await network.node(), await scratchFolder(t)]
  const id = await publisher.createChannel('mine')
  for (const version of ['1', '2', '3']) {
    await buildDeb(folder, deb(version))
    await publisher.importDebs('mine', folder)
  }
  await follower.call('follow', { id })
  await follower.serves(id, 3)
  const report = await follower.call<AuditReport>('audit', { channel: id })
  t.alike([report.ok, report.releases, report.failures, report.unchecked], [true, 3, [], []])
})
