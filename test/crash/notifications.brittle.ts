/**
 * A follower that is killed at random while 200 releases come: its list has each release once, in order, and its hook was given each,
 * in order, again only where a kill came between giving and noting it. `CRASH_SEED=N` repeats the kill points of a run.
 */
import { chmod, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test from 'brittle'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { privateNetwork, scratchFolder } from '../helpers/network.ts'
import { Chance, rounds } from './chance.ts'
import { Victims } from './victims.ts'

const RELEASES = rounds(200)
/** Kills are spread over this after a daemon has started, or began to. */
const ALIVE_MS_MAX = 4_000
const LOOK_AGAIN_MS = 20

interface Given {
  readonly notification: string
  readonly number: number
  readonly release: number
  readonly previous: number
}

async function givenIn(file: string): Promise<Given[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  const lines = text.split('\n').filter((line) => line.endsWith('}'))
  return lines.map((line) => JSON.parse(line) as Given)
}

test(
  `kill -9 of a follower during ${RELEASES} releases → each is told once, in order, and its hook misses none`,
  { timeout: 120_000 + RELEASES * 4_000 },
  async (t) => {
    const chance = new Chance()
    t.comment(`CRASH_SEED=${chance.seed}`)
    const network = await privateNetwork(t)
    const publisher = await network.node()
    const id = await publisher.createChannel('demo')
    const [home, folder, work] = [await scratchFolder(t), await scratchFolder(t), await scratchFolder(t)]
    const paths = new Map<string, string>()
    const publish = async (number: number): Promise<void> => {
      const files = { 'usr/share/one': String(number) }
      const built = { name: `one-${number % 3}`, version: String(number), architecture: 'amd64', files }
      const path = await buildDeb(folder, built)
      const before = paths.get(built.name)
      if (before !== undefined) await rm(before)
      paths.set(built.name, path)
      await publisher.importDebs('demo', folder)
    }
    const [hook, output] = [join(work, 'hook'), join(work, 'given')]
    await writeFile(hook, `#!/bin/sh\nexec cat >> '${output}'\n`)
    await chmod(hook, 0o700)

    const victims = await Victims.prepare(t)
    const start = { home, bootstrap: network.bootstrap }
    let victim = victims.next()
    await victim.start(start)
    await victim.call('follow', { id })
    await victim.call('delivery.add', { kind: 'hook', place: hook })
    await publish(1)
    await victim.announces(1)

    let isPublished = false
    const publishing = (async () => {
      for (let number = 2; number <= RELEASES; number++) await publish(number)
      isPublished = true
    })()
    let [kills, starting] = [0, 0]
    while (!isPublished) {
      await pause(chance.below(ALIVE_MS_MAX)) // the kill point, not a wait
      await victim.kill()
      kills++
      victim = victims.next()
      await victim.loaded
      const started = victim.start(start)
      if (chance.below(6) !== 0) await started
      else {
        started.catch(() => {}) // it is killed on the way
        starting++
      }
    }
    await publishing
    await victim.kill()
    victim = victims.next()
    await victim.start(start)
    while ((await givenIn(output)).at(-1)?.release !== RELEASES) await pause(LOOK_AGAIN_MS)
    await victim.kill()

    const reader = await network.node({ home, offline: true })
    const told = reader.node.session.notices.list(0, null)
    const expected = Array.from({ length: RELEASES }, (_, i) => [i + 1, i + 1, i])
    t.alike(
      told.map((event) => [event.number, event.release, event.event === 'release' ? event.previous : event.event]),
      expected,
      'the list',
    )
    const given = await givenIn(output)
    const once = given.filter(({ notification }, i) => notification !== given[i - 1]?.notification)
    t.alike(
      once.map(({ notification }) => notification),
      told.map(({ notification }) => notification),
      'the hook: all of them, in order, under the same names',
    )
    t.ok(kills >= 3 || RELEASES < 50, 'there were kills')
    t.comment(
      `${kills} kills, ${starting} of them of a daemon that was starting; ${given.length - once.length} given again`,
    )
  },
)
