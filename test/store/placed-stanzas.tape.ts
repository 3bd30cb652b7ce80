/** Any run is cut into parts that, put together again, are that run; what is found has the right text. */
import fc from 'fast-check'
import test from 'tape'
import type { Run } from '../../schemas/edit-script.ts'
import { PlacedStanzas } from '../../store/placed-stanzas.ts'

const stanza = (block: number, ordinal: number): string => `Package: p${block}-${ordinal}\n\n`
const textOf = ({ block, first, count }: Run): string =>
  Array.from({ length: count }, (_, i) => stanza(block, first + i)).join('')
const runs = fc.array(fc.record({ block: fc.nat(3), first: fc.nat(8), count: fc.integer({ min: 1, max: 6 }) }), {
  minLength: 1,
  maxLength: 8,
})

test('placed stanzas: any runs of a file, any run asked for → in order, whole, with the right text', (t) => {
  fc.assert(
    fc.property(runs, runs, (held, wanted) => {
      const placed = PlacedStanzas.of(Buffer.from(held.map(textOf).join('')), held)
      if (placed === null) return false
      const has = (block: number, ordinal: number): boolean =>
        held.some((run) => run.block === block && ordinal >= run.first && ordinal < run.first + run.count)
      return wanted.every((run) => {
        let next = run.first
        for (const { block, first, count, text } of placed.find(run)) {
          if (block !== run.block || first !== next || count < 1) return false
          if (text !== undefined && text.toString() !== textOf({ block, first, count })) return false
          for (let i = first; i < first + count; i++) if (has(block, i) !== (text !== undefined)) return false
          next += count
        }
        return next === run.first + run.count
      })
    }),
  )
  t.pass('for every one of them')
  t.end()
})

test('placed stanzas: a file with another number of stanzas than its runs → not used', (t) => {
  const bytes = Buffer.from(stanza(1, 0) + stanza(1, 1))
  t.equal(PlacedStanzas.of(bytes, [{ block: 1, first: 0, count: 3 }]), null)
  t.notEqual(PlacedStanzas.of(bytes, [{ block: 1, first: 0, count: 2 }]), null)
  t.end()
})
