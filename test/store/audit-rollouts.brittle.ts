/** Audits of roll-outs: what a publisher can say of them, and what not. */
import test from 'brittle'
import { auditOf, failuresOf, publishRollout } from '../helpers/audit.ts'
import { MAIN, stanza, TestChannel } from '../helpers/channel.ts'

test('audit: roll-outs that cannot be → each is named; those that can hold', async (t) => {
  const said = async (...notes: [number: number, share: number, halted?: string][]): Promise<string[]> => {
    const channel = await TestChannel.create(t)
    await channel.publish({ [MAIN]: stanza('aa', '1') })
    await channel.publish({ [MAIN]: stanza('aa', '2') })
    for (const note of notes) await publishRollout(channel, ...note)
    return failuresOf(await auditOf(t, channel))
  }
  t.alike(await said([2, 1_000], [2, 2_000], [2, 2_000, 'breaks'], [2, 2_000], [2, 10_000], [1, 10_000, 'x']), [])
  t.alike(await said([2, 10_000, 'breaks']), [], 'a halt right after its release')
  const wrong: [number: number, share: number, halted?: string][][] = [
    [
      [2, 2_000],
      [2, 1_000],
    ],
    [
      [2, 2_000],
      [2, 2_000],
    ],
    [
      [2, 10_000],
      [2, 10_000],
    ],
    [[2, 10_000]],
    [[2, 1_000, 'before anybody has it']],
    [[1, 1_000]],
    [[3, 10_000, 'x']],
    [[0, 10_000, 'x']],
  ]
  for (const notes of wrong) {
    const failures = await said(...notes)
    t.ok(failures.length > 0 && failures.every((line) => line.startsWith('NOTE_WRONG')), JSON.stringify(notes))
  }
})
