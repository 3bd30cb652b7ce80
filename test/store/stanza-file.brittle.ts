/** Goal: any file, read through any window, is cut as the whole file is. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'brittle'
import fc from 'fast-check'
import { splitStanzas } from '../../schemas/stanza.ts'
import { readStanzas } from '../../store/stanza-file.ts'
import { scratchFolder } from '../helpers/channel.ts'
import { codeOf } from '../helpers/refusal.ts'

/** Copies of the slices, because a list is good until the next one only. */
async function slicesOf(filePath: string, windowBytes: number): Promise<string[]> {
  const slices: string[] = []
  for await (const { bytes, offsets } of readStanzas(filePath, windowBytes)) {
    for (let i = 0; i < offsets.length - 1; i++) slices.push(bytes.toString('latin1', offsets[i], offsets[i + 1]))
  }
  return slices
}

test('stanza file: any text, any window → the slices of the whole file', async (t) => {
  const filePath = join(await scratchFolder(t), 'Packages')
  const text = fc.array(fc.constantFrom('\n', '\n\n', 'A: 1\n', 'B: two\n', ' more\n', 'no end'), { maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(text, fc.integer({ min: 1, max: 64 }), async (parts, windowBytes) => {
      const bytes = Buffer.from(parts.join(''))
      await writeFile(filePath, bytes)
      const offsets = splitStanzas(bytes)
      const whole = Array.from({ length: offsets.length - 1 }, (_, i) =>
        bytes.toString('latin1', offsets[i], offsets[i + 1]),
      )
      const slices = await slicesOf(filePath, windowBytes)
      return JSON.stringify(slices) === JSON.stringify(whole)
    }),
    { numRuns: 500 },
  )
  t.pass('for 500 files')
})

test('stanza file: not there → IO_ERROR; left in the middle → it ends', async (t) => {
  const filePath = join(await scratchFolder(t), 'Packages')
  t.is(await codeOf(slicesOf(filePath, 64)), 'IO_ERROR')
  await writeFile(filePath, 'A: 1\n\n'.repeat(100))
  for await (const { offsets } of readStanzas(filePath, 64)) {
    t.ok(offsets.length > 1)
    break
  }
})
