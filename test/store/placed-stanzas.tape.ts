/** Any run is cut into parts that, put together again, are that run; what is found is at the right place. */
import fc from 'fast-check'
import test from 'tape'
import { blocksToRead, PlacedStanzas } from '../../store/placed-stanzas.ts'

const runs = fc.array(fc.record({ block: fc.nat(3), first: fc.nat(8), count: fc.integer({ min: 1, max: 6 }) }), {
  minLength: 1,
  maxLength: 8,
})

test('placed stanzas: any runs of a file, any run asked for → in order, whole, at the right place', (t) => {
  fc.assert(
    fc.property(runs, runs, (held, wanted) => {
      const file = held.flatMap(({ block, first, count }) =>
        Array.from({ length: count }, (_, i) => `${block} ${first + i}`),
      )
      const placed = new PlacedStanzas(held)
      return wanted.every((run) => {
        let next = run.first
        for (const { block, first, count, index } of placed.find([run])) {
          if (block !== run.block || first !== next || count < 1) return false
          for (let i = 0; i < count; i++) {
            const stanza = `${block} ${first + i}`
            if (index === undefined ? file.includes(stanza) : file[index + i] !== stanza) return false
          }
          next += count
        }
        return next === run.first + run.count
      })
    }),
  )
  t.pass('for every one of them')
  t.end()
})

test('placed stanzas: blocks are read for what is not in the file', (t) => {
  const found = new PlacedStanzas([{ block: 1, first: 0, count: 3 }]).find([
    { block: 1, first: 1, count: 2 },
    { block: 2, first: 0, count: 1 },
  ])
  t.same([...blocksToRead(found)], [2])
  t.end()
})
