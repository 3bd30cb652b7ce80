/** The journal on a real store: order, restarts, and compaction with a crash in the middle of it. */
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import type { Fact } from '../../schemas/journal.ts'
import type { KeyHex } from '../../schemas/units.ts'
import { compactJournal, firstPresent } from '../../store/compact-journal.ts'
import { Journal } from '../../store/journal.ts'
import { Store } from '../../store/open-store.ts'
import { scratchFolder } from '../helpers/channel.ts'
import { codeOf } from '../helpers/refusal.ts'

const fact = (atMs: number): Fact => ({ type: 'channel.stopped', key: '01'.repeat(32) as KeyHex, code: 'CODE', atMs })

async function read(journal: Journal): Promise<number[]> {
  const found: number[] = []
  for await (const known of journal.facts()) found.push(known.type === 'journal.compacted' ? -1 : known.atMs)
  return found
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

/** Runs `use` on the journal of one store after the other in the same folder: a node that restarts. */
async function lives(t: Assert, ...uses: ((journal: Journal, store: Store) => Promise<unknown>)[]): Promise<void> {
  const directory = join(await scratchFolder(t), 'store')
  for (const use of uses) {
    const store = await Store.open(directory)
    try {
      const journal = await Journal.open(store)
      await use(journal, store)
      await journal.close()
    } finally {
      await store.close()
    }
  }
}

test('journal: facts recorded at once and one by one → read in order, also after a restart', async (t) => {
  await lives(
    t,
    async (journal) => {
      t.alike(await read(journal), [])
      await Promise.all(upTo(500).map((i) => journal.record(fact(i))))
      for (const i of [500, 501]) await journal.record(fact(i))
      t.alike(await read(journal), upTo(502))
    },
    async (journal) => {
      t.alike(await read(journal), upTo(502))
      await journal.record(fact(502))
    },
    async (journal) => t.alike(await read(journal), upTo(503)),
  )
})

test('journal: facts in the same turn → one write for all after the first', async (t) => {
  await lives(t, async (journal, store) => {
    let writes = 0
    const guard = store.guard.bind(store)
    store.guard = (write) => (writes++, guard(write))
    await Promise.all(upTo(1000).map((i) => journal.record(fact(i))))
    t.is(writes, 2)
  })
})

test('journal: ten thousand facts that wait → one more is refused, and they are written all the same', async (t) => {
  await lives(t, async (journal) => {
    const first = journal.record(fact(0)) // under way at once, so the others wait
    const waiting = upTo(10_000).map((i) => journal.record(fact(i + 1)))
    t.is(await codeOf(journal.record(fact(-1))), 'STORE_FAILED')
    await Promise.all([first, ...waiting])
    t.is((await read(journal)).length, 10_001)
  })
})

test('journal: a store that failed → facts are refused with the failure, and reported once', async (t) => {
  const failures: Error[] = []
  const store = await Store.open(join(await scratchFolder(t), 'store'), (failure) => failures.push(failure))
  const journal = await Journal.open(store)
  await store.close()
  const codes = await Promise.all([codeOf(journal.record(fact(1))), codeOf(journal.record(fact(2)))])
  t.alike(codes, ['STORE_FAILED', 'STORE_FAILED'])
  t.is(failures.length, 1)
  t.is(store.failure, failures[0])
})

test('journal: compacted → only what is given is read, now and after restarts', async (t) => {
  await lives(
    t,
    async (journal) => {
      await Promise.all(upTo(100).map((i) => journal.record(fact(i))))
      await journal.compact([fact(7), fact(9)], 0)
      t.alike(await read(journal), [-1, 7, 9])
      await journal.record(fact(10))
    },
    async (journal) => {
      t.alike(await read(journal), [-1, 7, 9, 10])
      await journal.compact([fact(10)], 0)
    },
    async (journal) => {
      t.alike(await read(journal), [-1, 10])
      await journal.compact([], 0)
      t.alike(await read(journal), [-1])
    },
  )
})

test('journal: a crash between the new facts and the removal of the old ones → both are read, the mark between them', async (t) => {
  await lives(
    t,
    async (journal, store) => {
      await Promise.all(upTo(50).map((i) => journal.record(fact(i))))
      const core = store.cores.get({ name: 'journal', active: false })
      await core.ready()
      const crash = new Error('the process ends here')
      core.clear = () => Promise.reject(crash)
      await t.exception(compactJournal(store, core, [fact(49)], 0))
    },
    async (journal) => {
      t.alike(await read(journal), [...upTo(50), -1, 49])
      await journal.compact([fact(49)], 0)
      t.alike(await read(journal), [-1, 49])
    },
    async (journal) => t.alike(await read(journal), [-1, 49]),
  )
})

test('journal: any number of removed blocks → the first that is present is found', async (t) => {
  await lives(t, async (journal, store) => {
    const core = store.cores.get({ name: 'journal', active: false })
    await core.ready()
    t.is(await firstPresent(core), 0, 'of an empty journal')
    await Promise.all(upTo(70).map((i) => journal.record(fact(i))))
    for (const cleared of [0, 1, 2, 31, 32, 33, 64, 69, 70]) {
      await core.clear(0, cleared)
      t.is(await firstPresent(core), cleared)
    }
  })
})

test('journal: a fact that is missing in the middle → STORE_FAILED, not a hole in the history', async (t) => {
  await lives(t, async (journal, store) => {
    await Promise.all(upTo(9).map((i) => journal.record(fact(i))))
    const core = store.cores.get({ name: 'journal', active: false })
    await core.ready()
    await core.clear(8, 9)
    t.is(await codeOf(read(journal)), 'STORE_FAILED')
  })
})
