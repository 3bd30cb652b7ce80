/** The count of traffic: what survives a close and a crash, what a damaged file costs, and what its bytes are. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test, { type Assert } from 'brittle'
import type { FreshetError } from '../../schemas/errors.ts'
import { USAGE_MONTHS_MAX } from '../../schemas/limits.ts'
import { UsageRecord } from '../../store/usage-record.ts'
import { scratchFolder } from '../helpers/channel.ts'

interface Opened {
  readonly usage: UsageRecord
  readonly troubles: FreshetError[]
}

async function open(path: string, writeMs?: number): Promise<Opened> {
  const troubles: FreshetError[] = []
  const onTrouble = (error: FreshetError): number => troubles.push(error)
  return { usage: await UsageRecord.open(path, { onTrouble, ...(writeMs === undefined ? {} : { writeMs }) }), troubles }
}

async function pathIn(t: Assert): Promise<string> {
  return join(await scratchFolder(t), 'usage')
}

test('usage record: counted, closed → found again, each month by itself', async (t) => {
  const path = await pathIn(t)
  const { usage } = await open(path)
  t.alike(usage.of('2026-05'), { sentBytes: 0, fetchedBytes: 0 })
  usage.add('2026-05', 100, 0)
  usage.add('2026-05', 1, 70)
  usage.add('2026-06', 5, 6)
  await usage.close()
  usage.add('2026-06', 1, 1) // after the end: not counted
  const again = await open(path)
  t.alike(again.usage.of('2026-05'), { sentBytes: 101, fetchedBytes: 70 })
  t.alike(again.usage.of('2026-06'), { sentBytes: 5, fetchedBytes: 6 })
  t.alike(again.troubles, [])
  await again.usage.close()
})

test('usage record: the bytes of version 1', async (t) => {
  const path = await pathIn(t)
  const { usage } = await open(path)
  usage.add('2026-06', 5, 300)
  usage.add('2026-05', 1, 70_000)
  await usage.close()
  const hex = ['01', '02', '07323032362d3035', '01', 'fe70110100', '07323032362d3036', '05', 'fd2c01'].join('')
  t.is((await readFile(path)).toString('hex'), hex)
})

test('usage record: counted for a while and never closed → on disk by itself', async (t) => {
  const path = await pathIn(t)
  const { usage } = await open(path, 5)
  for (let i = 0; i < 1000; i++) usage.add('2026-05', 1, 1)
  for (;;) {
    const { usage: other } = await open(path)
    if (other.of('2026-05').sentBytes === 1000) break // brittle's own timeout ends this where it never comes
    await pause(5)
  }
  t.alike(await readdir(join(path, '..')), ['usage'])
  await usage.close()
})

test('usage record: nothing counted → no file', async (t) => {
  const path = await pathIn(t)
  await (await open(path)).usage.close()
  t.alike(await readdir(join(path, '..')), [])
})

test('usage record: damaged, of a newer version, a folder → told, and counted anew', async (t) => {
  const path = await pathIn(t)
  for (const bytes of [
    Buffer.from('0200', 'hex'),
    Buffer.from('0101', 'hex'),
    Buffer.from('01010378797a0000', 'hex'),
    Buffer.alloc(3),
  ]) {
    await writeFile(path, bytes)
    const { usage, troubles } = await open(path)
    t.is(troubles.length, 1, `${bytes.toString('hex')}: ${troubles[0]?.message}`)
    usage.add('2026-05', 1, 2)
    await usage.close()
    const again = await open(path)
    t.alike([again.usage.of('2026-05'), again.troubles], [{ sentBytes: 1, fetchedBytes: 2 }, []])
    await again.usage.close()
  }
})

test('usage record: a disk that does not take it → told, counting goes on', async (t) => {
  const { usage, troubles } = await open(join(await scratchFolder(t), 'missing', 'usage'))
  usage.add('2026-05', 1, 2)
  await usage.close()
  t.is(troubles[0]?.code, 'IO_ERROR')
  t.alike(usage.of('2026-05'), { sentBytes: 1, fetchedBytes: 2 })
})

test('usage record: more months than are kept → the oldest go, the one that is counted stays', async (t) => {
  const path = await pathIn(t)
  const { usage } = await open(path)
  for (let i = 0; i < USAGE_MONTHS_MAX + 3; i++) usage.add(`20${20 + i}-01`, 1, 1)
  usage.add('1970-01', 1, 1) // a clock without a battery
  await usage.close()
  const again = await open(path)
  t.is(again.usage.of('1970-01').sentBytes, 1)
  t.is(again.usage.of('2023-01').sentBytes, 0)
  t.is(again.usage.of(`20${20 + USAGE_MONTHS_MAX + 2}-01`).sentBytes, 1)
  t.alike(again.troubles, [])
})
