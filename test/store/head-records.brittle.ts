/** The durable record of heads: on disk before anybody is told, and never back. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { keyHex } from '../../schemas/units.ts'
import { HeadRecords, type HeadRecord } from '../../store/head-records.ts'
import { scratchFolder, sha256 } from '../helpers/channel.ts'
import { codeOf } from '../helpers/refusal.ts'

const KEY = keyHex(sha256('channel'))
const head = (length: number, fork = 0): HeadRecord => ({
  fork,
  length,
  treeHash: sha256(`${fork} ${length}`),
  signature: Buffer.from(`signed ${fork} ${length}`),
  atMs: 1_700_000_000_000,
})

async function folderOf(t: Assert): Promise<string> {
  return join(await scratchFolder(t), 'heads')
}

/** What memory says, and what a restart would find. */
async function lengths(directory: string, records: HeadRecords): Promise<unknown[]> {
  const again = await HeadRecords.open(directory)
  return [records, again].map((known) => known.newest(KEY)?.length ?? null)
}

test('head records: advanced → found again after a restart, each channel by itself', async (t) => {
  const directory = await folderOf(t)
  const records = await HeadRecords.open(directory)
  t.is(records.newest(KEY), null)
  await records.advance(KEY, head(5))
  await records.advance(keyHex(sha256('other')), head(9))
  const again = await HeadRecords.open(directory)
  t.alike([again.newest(KEY), again.newest(keyHex(sha256('other')))], [head(5), head(9)])
})

test('head records: a shorter head, or one of an older fork → ignored; a newer fork → taken', async (t) => {
  const directory = await folderOf(t)
  const records = await HeadRecords.open(directory)
  for (const known of [head(5), head(4), head(5)]) await records.advance(KEY, known)
  t.alike(await lengths(directory, records), [5, 5])
  await records.advance(KEY, head(3, 1))
  t.alike(await lengths(directory, records), [3, 3])
  await records.advance(KEY, head(99, 0))
  t.alike(await lengths(directory, records), [3, 3])
})

test('head records: many at once in any order → the longest, in memory and on disk', async (t) => {
  const directory = await folderOf(t)
  const records = await HeadRecords.open(directory)
  await Promise.all([3, 9, 1, 8, 2, 7].map((length) => records.advance(KEY, head(length))))
  t.alike(await lengths(directory, records), [9, 9])
  t.alike(await readdir(directory), [`${KEY}.head`])
})

test('head records: torn, altered, or of another channel → STORE_FAILED; of a newer version → VERSION_UNSUPPORTED', async (t) => {
  const directory = await folderOf(t)
  await (await HeadRecords.open(directory)).advance(KEY, head(300))
  const path = join(directory, `${KEY}.head`)
  const whole = await readFile(path)
  const opening = async (bytes: Buffer): Promise<string> => {
    await writeFile(path, bytes)
    return codeOf(HeadRecords.open(directory))
  }
  for (let end = 0; end < whole.length; end += 7)
    t.is(await opening(whole.subarray(0, end)), 'STORE_FAILED', `cut at ${end}`)
  t.is(await opening(Buffer.concat([whole, Buffer.of(0)])), 'STORE_FAILED')
  const other = Buffer.from(whole)
  other[5] = (other[5] ?? 0) ^ 1
  t.is(await opening(other), 'STORE_FAILED', 'the key is not that of its name')
  const newer = Buffer.from(whole)
  newer[0] = 2
  t.is(await opening(newer), 'VERSION_UNSUPPORTED')
  t.is(await opening(whole), 'accepted')
})

test('head records: the write fails → the error, and the record stays as it was', async (t) => {
  const directory = join(await scratchFolder(t), 'heads')
  const records = await HeadRecords.open(directory)
  await records.advance(KEY, head(5))
  await rm(directory, { recursive: true })
  t.is(await codeOf(records.advance(KEY, head(6))), 'IO_ERROR')
  t.is(records.newest(KEY)?.length, 5)
})
