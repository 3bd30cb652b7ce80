import fc from 'fast-check'
import test from 'tape'
import { applyScript, type EditOp, type Run } from '../../schemas/edit-script.ts'
import { NO_STANZAS, type StanzaList, StanzaTable } from '../../schemas/stanza-table.ts'

function listOf(texts: readonly string[]): StanzaList {
  const offsets = new Uint32Array(texts.length + 1)
  texts.forEach((text, index) => (offsets[index + 1] = (offsets[index] ?? 0) + text.length))
  return { bytes: Buffer.from(texts.join(''), 'latin1'), offsets }
}

/** A log of blocks as a publisher writes it: new text is packed `perBlock` stanzas to a block. */
class Log {
  readonly blocks: string[][] = [['genesis']]

  textOf(runs: readonly Run[]): string[] {
    return runs.flatMap(({ block, first, count }) => {
      const texts = this.blocks[block]?.slice(first, first + count) ?? []
      if (texts.length !== count) throw new Error('a run beyond its block')
      return texts
    })
  }

  publish(table: StanzaTable, perBlock: number): number {
    const fresh = table.unplaced()
    fresh.forEach((id, index) => {
      if (index % perBlock === 0) this.blocks.push([])
      const block = this.blocks.length - 1
      table.place(id, block, (this.blocks[block]?.push(table.textOf(id).toString('latin1')) ?? 0) - 1)
    })
    return fresh.length
  }
}

function release(log: Log, befores: Run[][], afters: string[][], perBlock: number): { runs: Run[][]; added: number } {
  const table = new StanzaTable()
  const after = afters.map((texts) => table.add(listOf(texts)))
  const before = befores.map((runs) => {
    const texts = log.textOf(runs)
    const ids = [texts.slice(0, 3), texts.slice(3)].flatMap((part) => {
      const list = listOf(part)
      const found = [...table.addCopies(list)]
      list.bytes.fill('?') // as the next part of a file overwrites it
      return found
    })
    table.placeRuns(Int32Array.from(ids), runs)
    return Int32Array.from(ids)
  })
  const added = log.publish(table, perBlock)
  const scripts = after.map((ids, index): EditOp[] => table.script(before[index] ?? NO_STANZAS, ids))
  return { runs: scripts.map((script, index) => applyScript(befores[index] ?? [], script)), added }
}

test('stanza table: a stanza in two indexes, moved, dropped → its text is stored once', (t) => {
  const log = new Log()
  const first = release(
    log,
    [],
    [
      ['a', 'b', 'all', 'c'],
      ['all', 'd'],
    ],
    3,
  )
  t.equal(first.added, 5, 'what is in both indexes counts once')
  t.deepEqual(first.runs, [
    [
      { block: 1, first: 0, count: 3 },
      { block: 2, first: 0, count: 1 },
    ],
    [
      { block: 1, first: 2, count: 1 },
      { block: 2, first: 1, count: 1 },
    ],
  ])
  const second = release(
    log,
    first.runs,
    [
      ['c', 'a', 'b', 'd'],
      ['all', 'new', 'new'],
    ],
    3,
  )
  t.equal(second.added, 1, 'moved from place to place and from index to index is not new')
  t.deepEqual(
    second.runs.map((runs) => log.textOf(runs)),
    [
      ['c', 'a', 'b', 'd'],
      ['all', 'new', 'new'],
    ],
  )
  t.end()
})

test('stanza table: any history of any indexes → each release is rebuilt, each text stored once while it lives', (t) => {
  const index = fc.array(fc.constantFrom('a', 'b', 'bb', 'ccc', 'dddd', 'eeeee', 'long enough to be hashed'), {
    maxLength: 12,
  })
  const history = fc.array(fc.array(index, { minLength: 2, maxLength: 2 }), { maxLength: 6 })
  fc.assert(
    fc.property(history, fc.integer({ min: 1, max: 4 }), (releases, perBlock) => {
      const log = new Log()
      let runs: Run[][] = [[], []]
      return releases.every((afters) => {
        const held = new Set(runs.flatMap((list) => log.textOf(list)))
        const next = release(log, runs, afters, perBlock)
        runs = next.runs
        const fresh = new Set(afters.flat().filter((text) => !held.has(text)))
        return (
          next.added === fresh.size && JSON.stringify(runs.map((list) => log.textOf(list))) === JSON.stringify(afters)
        )
      })
    }),
    { numRuns: 1000 },
  )
  t.pass('for 1000 histories')
  t.end()
})

test('stanza table: many texts made to collide → still told apart', (t) => {
  // Flipping the top bit of one word, and in the next the two bits that this leaves different, cancels in the quick hash.
  const twin = (flip: boolean): Buffer => {
    const pair = Buffer.alloc(8, 'x')
    if (flip) {
      pair.writeInt32LE(pair.readInt32LE(0) ^ 0x8000_0000, 0)
      pair.writeInt32LE(pair.readInt32LE(4) ^ (0x8000_0000 | 0x0001_0000), 4)
    }
    return pair
  }
  const texts = Array.from({ length: 512 }, (_, index) => {
    return Buffer.concat(Array.from({ length: 9 }, (__, bit) => twin(((index >> bit) & 1) === 1))).toString('latin1')
  })
  const table = new StanzaTable()
  const ids = table.add(listOf(texts))
  t.equal(table.size, 512, 'all are different')
  t.deepEqual(table.add(listOf(texts.toReversed())).toReversed(), ids, 'and found again')
  ids.forEach((id, index) => {
    if (table.textOf(id).toString('latin1') !== texts[index]) t.fail(`text ${index}`)
  })
  t.end()
})

test('stanza table: misuse → refused', (t) => {
  const table = new StanzaTable()
  const ids = table.add(listOf(['a', 'b']))
  t.throws(
    () => table.placeRuns(table.addCopies(listOf(['a', 'b'])), [{ block: 1, first: 0, count: 3 }]),
    /runs of 3 stanzas for an index of 2/,
  )
  t.throws(() => table.script(NO_STANZAS, ids), /stanza 0 was not placed/)
  t.throws(() => table.place(2, 1, 0), /no stanza 2/)
  t.throws(() => table.textOf(2), /no stanza 2/)
  t.deepEqual([...table.add({ bytes: Buffer.alloc(0), offsets: new Uint32Array(1) })], [])
  t.end()
})
