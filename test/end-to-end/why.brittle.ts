/** `freshet why`: where bytes came from, over a restart, for a package, a release and a file. */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import type { WhyResult } from '../../tools/why.ts'
import { whyText } from '../../tools/why-text.ts'
import { scratchFolder } from '../helpers/channel.ts'
import { mirrorServer, serve } from '../helpers/mirror-server.ts'
import { privateNetwork, type TestNetwork, type TestNode } from '../helpers/network.ts'
import { codeOf } from '../helpers/refusal.ts'

const MINUTE = { timeout: 60_000 }

interface Setting {
  readonly network: TestNetwork
  readonly publisher: TestNode
  readonly follower: TestNode
  /** Where the publisher's packages lie. */
  readonly debs: string
}

/** A publisher of two packages, and a follower that has neither. */
async function setting(t: Assert): Promise<Setting> {
  const network = await privateNetwork(t)
  const publisher = await network.node()
  const debs = await scratchFolder(t)
  for (const name of ['one', 'two']) {
    const files = { [`usr/share/${name}`]: randomBytes(400_000).toString('base64') }
    await buildDeb(debs, { name, version: '1', architecture: 'amd64', files })
  }
  const id = await publisher.createChannel('demo')
  await publisher.importDebs('demo', debs)
  const follower = await network.node()
  await follower.call('follow', { id })
  await follower.announced(1)
  return { network, publisher, follower, debs }
}

const why = (node: TestNode, of: string, ...packages: string[]): Promise<WhyResult> =>
  node.call('why', { of, packages })

test(
  'why: a package that a neighbour gave → its bytes and who gave them, the same after a restart',
  MINUTE,
  async (t) => {
    const { follower } = await setting(t)
    await follower.call('fetch', { channel: 'demo', packages: ['one'] })
    const { files } = await why(follower, 'demo', 'one')
    const [file] = files
    t.is(file?.fetch?.state, 'kept')
    t.is(file?.fetch?.bytes.lan, file?.size)
    t.ok(/^[0-9a-f]{8}$/.test(file?.fetch?.sources[0]?.name ?? ''))
    t.ok((file?.fetch?.sources[0]?.asked ?? 0) > 0)
    t.is(file?.held?.adopted, false)
    t.alike((await why(follower, file?.sha256 ?? '')).files[0]?.fetch, file?.fetch)
    t.alike((await why(follower, 'one')).files, files)
    t.ok(whyText({ release: null, files }).includes('local network'))
    await follower.stop()
    await follower.start()
    t.alike((await why(follower, 'demo', 'one')).files, files)
  },
)

test('why: a release → what came with it, in sum; one whose files were not fetched says so', MINUTE, async (t) => {
  const { follower, publisher, debs } = await setting(t)
  await follower.call('fetch', { channel: 'demo', packages: ['one', 'two'] })
  await buildDeb(debs, { name: 'three', version: '1', architecture: 'amd64', files: { 'usr/share/three': 'three' } })
  await publisher.importDebs('demo', debs)
  await follower.announced(2)
  const { release } = await why(follower, 'demo@1')
  t.alike(release?.fetches, { fetching: 0, kept: 2, unavailable: 0 })
  t.is(release?.sources.length, 1)
  t.is(
    release?.bytes.lan,
    release?.slowest.reduce((sum, { size }) => sum + size, 0),
  )
  const newer = await why(follower, 'demo')
  t.is(newer.release?.release, 2)
  t.is(newer.release?.fetches.kept, 0)
  t.is(whyText(newer), 'demo #2: nothing that came with it was fetched here')
})

test('why: a file that nobody gives → given up, and who was asked; what was never fetched', MINUTE, async (t) => {
  const { follower, publisher } = await setting(t)
  const own = (await why(publisher, 'demo', 'one')).files[0]
  t.is(own?.fetch, null)
  t.ok(own?.held !== null)
  await publisher.stop()
  t.is(await codeOf(follower.call('fetch', { channel: 'demo', packages: ['one'] })), 'ARTIFACT_UNAVAILABLE')
  const { files } = await why(follower, 'demo', 'one')
  t.is(files[0]?.held, null)
  t.is(files[0]?.fetch?.state, 'unavailable')
  t.is(files[0]?.fetch?.code, 'ARTIFACT_UNAVAILABLE')
  t.ok((files[0]?.fetch?.waits?.sourceMs ?? 0) > 0)
  t.ok(whyText({ release: null, files }).includes('given up'))
  t.is((await why(follower, 'demo@1')).release?.failed.length, 1)
})

test(
  'why: one mirror that fails, and one that has it → which of them gave, and what the other said',
  MINUTE,
  async (t) => {
    const { follower, publisher, debs } = await setting(t)
    const path = 'pool/main/t/two/two_1_amd64.deb'
    const bytes = await readFile(join(debs, 'two_1_amd64.deb'))
    const good = await mirrorServer(t, { [path]: bytes })
    const bad = await mirrorServer(t, {})
    const codeOfBad = async (): Promise<string | null | undefined> => {
      const { sources } = (await why(follower, 'demo', 'two')).files[0]?.fetch ?? { sources: [] }
      return sources.find(({ name }) => name.startsWith(bad.url))?.code
    }
    // Else the good one may be done before the other has said anything.
    good.misbehave = ({ range }, response) => {
      const answer = async (): Promise<void> => {
        while (!(await codeOfBad())) await new Promise((resolve) => setImmediate(resolve))
        serve(bytes, range, response)
      }
      void answer()
      return true
    }
    await follower.call('mirror.add', { channel: 'demo', urls: [good.url, bad.url], local: true })
    await publisher.stop()
    await follower.call('fetch', { channel: 'demo', packages: ['two'] })
    const fetch = (await why(follower, 'demo', 'two')).files[0]?.fetch
    t.is(fetch?.bytes.mirror, bytes.byteLength)
    t.is(fetch?.bytes.lan, 0)
    t.is(fetch?.sources.find(({ name }) => name.startsWith(good.url))?.code, null)
    t.ok(await codeOfBad())
  },
)

test('why: what there is not → said so', MINUTE, async (t) => {
  const { follower } = await setting(t)
  t.is(await codeOf(why(follower, 'no-such-package')), 'PACKAGE_UNKNOWN')
  t.is(await codeOf(why(follower, 'demo', 'no-such-package')), 'PACKAGE_UNKNOWN')
  t.is(await codeOf(why(follower, 'nowhere@1')), 'CHANNEL_UNKNOWN')
  t.is(await codeOf(why(follower, 'demo@9')), 'RELEASE_UNKNOWN')
  t.alike((await why(follower, 'ab'.repeat(32))).files[0]?.fetch, null)
})
