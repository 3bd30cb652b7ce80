/** Two machines on one cable, with no internet, no bootstrap node and nothing configured: the feed and its files go between them. */
import { join } from 'node:path'
import test from 'brittle'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { cable } from '../helpers/cable.ts'
import { scratchFolder } from '../helpers/channel.ts'
import { jsonOf, startCommandIn } from '../helpers/command-line.ts'
import { skipUnless } from '../helpers/requires.ts'

const skipped = skipUnless('namespaces')
const start = ['start', '--gateway', '127.0.0.1:0', '--json']

interface Release {
  readonly event: string
  readonly release: number
}

test(
  'lan: two daemons as they come, a cable between them → released here, served there',
  { timeout: 240_000 },
  async (t) => {
    if (skipped !== null) return t.comment(skipped)
    const [here, there] = await cable(t)
    const [publisher, follower, debs] = [await scratchFolder(t), await scratchFolder(t), await scratchFolder(t)]
    await buildDeb(debs, { name: 'one', version: '1', architecture: 'amd64', files: { 'usr/share/one': 'one' } })
    const daemons = [
      startCommandIn(t, here, ...start, '--home', publisher),
      startCommandIn(t, there, ...start, '--home', follower),
    ] as const
    for (const daemon of daemons) await daemon.line()
    const { id } = await jsonOf<{ id: string }>('channel', 'create', 'demo', '--home', publisher)
    await jsonOf('import', 'demo', '--deb-dir', debs, '--home', publisher)
    await jsonOf('follow', id, '--detach', '--home', follower)
    const released = JSON.parse(await daemons[1].line((line) => line.includes('"release"'))) as Release
    t.is(released.release, 1)
    const args = ['fetch', 'demo', 'one', '--to', join(follower, 'out'), '--home', follower]
    const { files } = await jsonOf<{ files: { name: string }[] }>(...args)
    t.alike(
      files.map(({ name }) => name),
      ['one'],
    )
    const status = await jsonOf<{ peers: number; tcpPeers: number }>('status', '--home', follower)
    t.alike([status.peers, status.tcpPeers], [1, 1])
  },
)
