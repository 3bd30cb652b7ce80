/** Debian as this machine's apt has it: published, followed by id alone, and read by the real apt with Debian's own signature. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import { clearText } from '../../schemas/clear-text.ts'
import { parseRelease } from '../../schemas/release-file.ts'
import { scratchApt } from '../../tools/demo/scratch-apt.ts'
import { httpConnection } from '../helpers/http-connection.ts'
import { type ImportedRelease, privateNetwork, type SnapshotView } from '../helpers/network.ts'
import { skipUnless } from '../helpers/requires.ts'

const LISTS = '/var/lib/apt/lists'
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
const ORIGIN = 'deb.debian.org_debian'
const SUITES = ['bookworm', 'trixie', 'forky', 'bullseye', 'sid', 'bookworm-updates']
const suite = SUITES.find((name) => existsSync(join(LISTS, `${ORIGIN}_dists_${name}_InRelease`)))
const missing =
  skipUnless('apt') ??
  (suite === undefined ? `skipped: needs lists of Debian in ${LISTS}` : null) ??
  (existsSync(KEYRING) ? null : `skipped: needs ${KEYRING}`)
const seconds = (sinceMs: number): string => `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`

test(
  "debian lists: imported and followed by id alone → apt verifies them with Debian's signature and sees every package",
  { timeout: 240_000 },
  async (t) => {
    if (missing !== null) return t.comment(missing)
    const network = await privateNetwork(t)
    const publisher = await network.node()
    const id = await publisher.createChannel('debian')
    const source = { kind: 'apt-lists', suite, origin: ORIGIN }
    const importedAtMs = performance.now()
    const imported = await publisher.call<ImportedRelease>('import', { channel: 'debian', source })
    t.comment(
      `import of ${suite}: ${imported.added} packages, ${imported.bytes} bytes of log, ${seconds(importedAtMs)}`,
    )
    t.is(imported.release, 1)
    const again = await publisher.call<ImportedRelease>('import', { channel: 'debian', source })
    t.alike([again.release, again.added, again.removed, again.bytes], [1, 0, 0, 0], 'the same state again: no release')
    t.is(publisher.node.session.channel('debian').history.newest?.number, 1)

    const follower = await network.node()
    const followedAtMs = performance.now()
    await follower.call('follow', { id })
    await follower.announced(1)
    t.comment(`follow until the follower serves: ${seconds(followedAtMs)}`)
    const { packages, indexes } = await follower.call<SnapshotView>('snapshot', { channel: 'debian' })

    const get = httpConnection(t)
    const base = `${follower.gateway}/debian/dists/${suite}`
    const inRelease = await get(`${base}/InRelease`)
    const original = readFileSync(join(LISTS, `${ORIGIN}_dists_${suite}_InRelease`))
    t.ok(inRelease.body.equals(original), 'the InRelease is verbatim')
    const signed = parseRelease(clearText(original).toString()).sha256
    let stanzas = 0
    const names = new Set<string>()
    for (const { path, size } of indexes) {
      const { status, body } = await get(`${base}/${path}`)
      const promised = signed.get(path)
      const digest = createHash('sha256').update(body).digest('hex')
      t.alike(
        [status, size, body.length, digest],
        [200, promised?.byteLength, promised?.byteLength, promised?.digest],
        path,
      )
      for (const [, name = ''] of body.toString('latin1').matchAll(/^Package: (.*)$/gm)) {
        names.add(name)
        stanzas++
      }
    }
    t.is(packages, stanzas, 'the snapshot counts them right')

    const [index] = indexes
    const { path = '', sha256 = '', size = 0 } = index ?? {}
    const byHash = `${base}/${path.replace(/Packages$/, '')}by-hash/SHA256`
    const named = await get(`${byHash}/${sha256}`)
    t.alike([named.status, createHash('sha256').update(named.body).digest('hex')], [200, sha256], 'by hash')
    t.is((await get(`${byHash}/${'0'.repeat(64)}`)).status, 404, 'by a hash that nothing has')
    const head = await get(`${base}/${path}`, { method: 'HEAD' })
    t.alike([head.status, Number(head.headers['content-length']), head.body.length], [200, size, 0], 'HEAD')
    const from = size - 1000
    const range = await get(`${base}/${path}`, { headers: { range: `bytes=${from}-` } })
    t.alike([range.status, range.headers['content-range']], [206, `bytes ${from}-${size - 1}/${size}`], 'Range')
    t.ok(range.body.equals(named.body.subarray(from)))
    const since = { 'if-modified-since': inRelease.headers['last-modified'] ?? '' }
    const unchanged = await get(`${base}/InRelease`, { headers: since })
    t.alike([unchanged.status, unchanged.body.length], [304, 0], 'If-Modified-Since')
    const older = { 'if-modified-since': 'Sat, 01 Jan 2000 00:00:00 GMT' }
    t.is((await get(`${base}/InRelease`, { headers: older })).status, 200, 'and an older one')

    const components = [...new Set(indexes.map((one) => one.path.split('/')[0]))].join(' ')
    const apt = await scratchApt({
      sources: [`deb [signed-by=${KEYRING}] ${follower.gateway}/debian ${suite} ${components}`],
    })
    t.teardown(() => apt.remove())
    const update = await apt.update()
    t.is(update.exitCode, 0, `apt-get update: ${update.exitCode === 0 ? 'done' : update.output}`)
    t.comment(`apt-get update from the follower: ${(update.elapsedMs / 1000).toFixed(1)} s`)
    t.absent(/^[WE]:/m.test(update.output), 'without a warning')
    const shell = async (script: string): Promise<string> => (await apt.run('bash', ['-c', script])).output.trim()
    const seen = new Set((await shell('apt-cache pkgnames')).split('\n'))
    t.alike(
      [...names].filter((name) => !seen.has(name)),
      [],
      'apt-cache pkgnames has every name',
    )
    t.is(Number(await shell("apt-cache dumpavail | grep -c '^Package:'")), names.size, 'apt-cache dumpavail')
    const everyName = "apt-cache dumpavail | sed -n 's/^Package: //p' | xargs"
    const candidates = await shell(`${everyName} apt-cache policy | grep -c '^  Candidate: [^(]'`)
    t.is(Number(candidates), names.size, 'apt-cache policy has a candidate for every name')
    const versions = await shell(`${everyName} apt-cache madison | grep -c '${follower.gateway}'`)
    t.is(Number(versions), stanzas, 'apt-cache madison has every version, all of them from the follower')
    const [bash] = await apt.policy(['bash'])
    t.ok(bash === undefined ? !names.has('bash') : bash.candidate !== null, 'and for bash')
  },
)
