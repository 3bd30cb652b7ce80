/** Several releases of one channel through one gateway at the same time: each apt sees its own day, under that day's signature. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { scratchApt } from '../../tools/demo/scratch-apt.ts'
import { privateNetwork, scratchFolder, type TestNode } from '../helpers/network.ts'
import { skipUnless } from '../helpers/requires.ts'

const LONG = { timeout: 240_000 }
const noApt = skipUnless('apt')
const RELEASES = ['1', '2', '3', '4']

/** Release n has aa of version n, and a package of its own. */
async function publish(t: Assert, publisher: TestNode): Promise<void> {
  for (const version of RELEASES) {
    const directory = await scratchFolder(t)
    await buildDeb(directory, { name: 'aa', version, architecture: 'amd64', files: { 'usr/share/aa': version } })
    await buildDeb(directory, { name: `only-in-${version}`, version, architecture: 'all' })
    await publisher.importDebs('demo', directory)
  }
}

/** One machine: `apt-get update`, what it sees, and the .deb it gets. */
async function visit(t: Assert, gateway: string, keyring: string, view: string, rounds: number) {
  const apt = await scratchApt({
    sources: [`deb [signed-by=${keyring} check-valid-until=no] ${gateway}/${view} demo main`],
    architecture: 'amd64',
  })
  t.teardown(() => apt.remove())
  const seen = new Set<string>()
  for (let round = 0; round < rounds; round++) {
    const update = await apt.update()
    t.is(update.exitCode, 0, update.exitCode === 0 ? `${view}: updated` : update.output)
    const names = (await apt.run('apt-cache', ['pkgnames'])).output.trim().split('\n').toSorted()
    const download = await apt.download(['aa'])
    t.is(download.exitCode, 0, download.exitCode === 0 ? `${view}: downloaded` : download.output)
    const got = (await apt.run('sh', ['-c', 'ls aa_*.deb && rm aa_*.deb'])).output.trim()
    seen.add([...names, (await apt.policy(['aa']))[0]?.candidate, got].join(' '))
  }
  const lists = join(apt.root, 'var/lib/apt/lists')
  const list = (await apt.run('sh', ['-c', `ls ${lists} | grep InRelease`])).output.trim()
  return { seen: [...seen], inRelease: await readFile(join(lists, list), 'utf8') }
}

test(
  "snapshots at once: four apts at four @WHENs of one gateway → each its own versions and its day's signature",
  LONG,
  async (t) => {
    if (noApt !== null) return t.comment(noApt)
    const network = await privateNetwork(t)
    const publisher = await network.node()
    const id = await publisher.createChannel('demo')
    await publish(t, publisher)
    await publisher.call('tag', { channel: 'demo', when: '2', tag: 'second' })
    const follower = await network.node()
    await follower.call('follow', { id })
    await follower.announced(RELEASES.length)
    const { releases } = await follower.call<{ releases: { publishedAt: string }[] }>('releases', { channel: 'demo' })
    const keyring = join(await scratchFolder(t), 'demo.asc')
    await writeFile(keyring, (await follower.call<{ key: string }>('channel.key', { name: 'demo' })).key)
    const views = { '1': 'demo@1', '2': 'demo@second', '3': `demo@${releases[2]?.publishedAt}`, '4': 'demo' }
    const visits = Object.entries(views).map(async ([version, view]) => {
      return { version, ...(await visit(t, follower.gateway, keyring, view, 2)) }
    })
    const signed = new Set<string>()
    for (const { version, seen, inRelease } of await Promise.all(visits)) {
      t.alike(seen, [`aa only-in-${version} ${version} aa_${version}_amd64.deb`], `release ${version}, every time`)
      const original = await (await fetch(`${publisher.gateway}/demo@${version}/dists/demo/InRelease`)).text()
      t.is(inRelease, original, 'signed as its publisher signed it')
      signed.add(original)
    }
    t.is(signed.size, RELEASES.length, 'four different ones')
  },
)
