/** What changed between two snapshots, read from logs. */
import test, { type Assert } from 'brittle'
import { readPackageChanges } from '../../store/package-changes.ts'
import { ALL, type Indexes, MAIN, stanza, TestChannel } from '../helpers/channel.ts'

async function changes(t: Assert, before: Indexes, after: Indexes): Promise<string[] | null> {
  const channel = await TestChannel.create(t)
  await channel.publish(before)
  await channel.publish(after)
  const found = await readPackageChanges(channel.log, await channel.history.plan(1), await channel.history.plan(2))
  return found?.map(({ kind, name, from, to }) => `${kind} ${name} ${from ?? '-'} ${to ?? '-'}`) ?? null
}

const main = (...stanzas: string[]): Indexes => ({ [MAIN]: stanzas.join('') })
const A1 = stanza('aa', '1')

test('package changes: every kind → told once, by name', async (t) => {
  const before = main(
    stanza('down', '2'),
    stanza('gone', '1'),
    stanza('same', '1'),
    stanza('up', '1.9'),
    stanza('words', '1'),
  )
  const after = main(
    stanza('words', '1', { section: 'web' }),
    stanza('up', '1.10'),
    stanza('same', '1'),
    stanza('down', '1'),
    stanza('came', '1'),
  )
  t.alike(
    await changes(t, before, after),
    ['added came - 1', 'changed words 1 1', 'downgraded down 2 1', 'removed gone 1 -', 'upgraded up 1.9 1.10'].toSorted(
      (a, b) => ((a.split(' ')[1] ?? '') < (b.split(' ')[1] ?? '') ? -1 : 1),
    ),
  )
})

test('package changes: the same in two indexes, moved from one to the other → once, or not at all', async (t) => {
  const all = stanza('docs', '1', { architecture: 'all' })
  t.alike(await changes(t, main(A1), { [MAIN]: A1 + all, [ALL]: all }), ['added docs - 1'])
  t.alike(await changes(t, { [MAIN]: A1 + all }, { [MAIN]: A1, [ALL]: all }), [])
})

test('package changes: several versions in one snapshot → what both have stays out of it', async (t) => {
  const [two, three] = [stanza('aa', '2'), stanza('aa', '3')]
  t.alike(await changes(t, main(A1), main(A1, three, two)), ['added aa - 2', 'added aa - 3'])
  t.alike(await changes(t, main(A1, two), main(two, three)), ['upgraded aa 1 3'])
})

test('package changes: to and from blank and empty indexes → no error', async (t) => {
  t.alike(await changes(t, main(A1), { [MAIN]: '\n' }), ['removed aa 1 -'])
  t.alike(await changes(t, { [MAIN]: '\n\n' }, main(A1)), ['added aa - 1'])
  t.alike(await changes(t, { [MAIN]: '' }, { [MAIN]: '\n' }), [])
})

test('package changes: what a stanza says of its package → its rank; nonsense counts as nothing', async (t) => {
  const channel = await TestChannel.create(t)
  await channel.publish(main(A1))
  const fields = 'Priority: standard\nurgency: HIGH (security)\n'
  const ranked = stanza('bb', '1', { section: 'contrib/net' }).replace(/\n\n$/, `\n${fields}\n`)
  const odd = stanza('cc', '1', { section: '../..;' }).replace(/\n\n$/, '\nPriority: none\nUrgency: yes\n\n')
  await channel.publish(main(A1, ranked, odd))
  const found = await readPackageChanges(channel.log, await channel.history.plan(1), await channel.history.plan(2))
  t.alike(
    found?.map(({ rank }) => rank),
    [
      { section: 'contrib/net', priority: 'standard', urgency: 'high' },
      { section: '', priority: 'unknown', urgency: null },
    ],
  )
})
