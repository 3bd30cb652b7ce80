import test from 'tape'
import { type AutomergeChange, decodeChange } from '../../schemas/automerge-change.ts'
import { encodeChange } from '../../schemas/automerge-encode.ts'
import { type Maintainer, type MaintainerChange, MetadataFold } from '../../schemas/metadata-fold.ts'
import { decodeState, encodeState } from '../../schemas/metadata-state.ts'
import { type DigestHex, digestHex, type KeyHex } from '../../schemas/units.ts'
import { maintainerKey, maintainerList } from '../helpers/offline-maintainers.ts'
import { refusalOf } from '../helpers/refusal.ts'

const [ADA, BO, EVE] = [0, 1, 2].map(maintainerKey) as [KeyHex, KeyHex, KeyHex]
const PIN = 'package/bash/pin'

interface Said {
  readonly seq?: number
  readonly startOp?: number
  readonly ops?: AutomergeChange['ops']
  readonly after?: readonly { readonly key: KeyHex; readonly change: MaintainerChange }[]
}

/** A change as its author might have written it: by default the first, which pins bash. */
function changeOf(actor: KeyHex, { seq = 1, startOp = 1, ops, after = [] }: Said = {}): MaintainerChange {
  const said = {
    actor,
    seq,
    startOp,
    timeMs: 1_700_000_000_000,
    message: null,
    deps: after.map(({ change }) => change.change.hash).toSorted(),
    ops: ops ?? [{ path: PIN, value: '1.0', over: [] }],
  }
  const follows = said.deps.map((dep) => {
    const place = after.find(({ change }) => change.change.hash === dep) as (typeof after)[number]
    return { key: place.key, seq: place.change.change.seq }
  })
  return { change: decodeChange(encodeChange(said)), follows }
}

function refusals(fold: MetadataFold): [KeyHex, number, string][] {
  return fold.refusals.map(({ key, seq, code }) => [key, seq, code])
}

function shown(fold: MetadataFold, path = PIN): string[] {
  return (fold.state.registers.get(path) ?? []).map(({ value }) => value)
}

/** What becomes of Ada's first change and `next`, her second. */
function secondChange(next: (first: MaintainerChange) => MaintainerChange): [string | null, string[]] {
  const fold = new MetadataFold(maintainerList(3))
  const first = changeOf(ADA)
  fold.add(ADA, first)
  fold.add(ADA, next(first))
  return [fold.refusals[0]?.code ?? null, shown(fold)]
}

test('fold: a change that follows the one before → takes its place', (t) => {
  const over = [{ actor: ADA, counter: 1 }]
  const next = (first: MaintainerChange): MaintainerChange =>
    changeOf(ADA, {
      seq: 2,
      startOp: 2,
      ops: [{ path: PIN, value: '2.0', over }],
      after: [{ key: ADA, change: first }],
    })
  t.deepEqual(secondChange(next), [null, ['2.0']])
  t.end()
})

test('fold: a change that is not what its author may write there → CHANGE_FORGED, and what was before stays', (t) => {
  const forged: Record<string, (first: MaintainerChange) => MaintainerChange> = {
    'in the name of another': (first) => changeOf(BO, { seq: 2, startOp: 2, after: [{ key: ADA, change: first }] }),
    'at another number': (first) => changeOf(ADA, { seq: 3, startOp: 2, after: [{ key: ADA, change: first }] }),
    'not after the one before': () => changeOf(ADA, { seq: 2, startOp: 1 }),
    'with counters that leap ahead': (first) =>
      changeOf(ADA, { seq: 2, startOp: 1_000_000, after: [{ key: ADA, change: first }] }),
    'with a counter used before': (first) =>
      changeOf(ADA, { seq: 2, startOp: 1, after: [{ key: ADA, change: first }] }),
    'over a value that never was': (first) =>
      changeOf(ADA, {
        seq: 2,
        startOp: 2,
        ops: [{ path: PIN, value: '2', over: [{ actor: ADA, counter: 9 }] }],
        after: [{ key: ADA, change: first }],
      }),
    'over the value of another register': (first) =>
      changeOf(ADA, {
        seq: 2,
        startOp: 2,
        ops: [{ path: 'package/curl/pin', value: '2', over: [{ actor: ADA, counter: 1 }] }],
        after: [{ key: ADA, change: first }],
      }),
    'that deletes nothing': (first) =>
      changeOf(ADA, {
        seq: 2,
        startOp: 2,
        ops: [{ path: 'package/curl/pin', value: null, over: [] }],
        after: [{ key: ADA, change: first }],
      }),
    'that points elsewhere than it says': (first) => ({
      ...changeOf(ADA, { seq: 2, startOp: 2, after: [{ key: ADA, change: changeOf(ADA, { startOp: 7 }) }] }),
      follows: [{ key: ADA, seq: first.change.seq }],
    }),
    'that does not say where what it follows is': (first) => ({
      ...changeOf(ADA, { seq: 2, startOp: 2, after: [{ key: ADA, change: first }] }),
      follows: [],
    }),
  }
  for (const [name, next] of Object.entries(forged)) t.deepEqual(secondChange(next), ['CHANGE_FORGED', ['1.0']], name)
  t.end()
})

test('fold: a register that nobody may write → METADATA_INVALID', (t) => {
  for (const [path, value] of [
    ['package/bash/owner', 'me'],
    ['package/../pin', '1'],
    ['__proto__/bash/pin', '1'],
    [PIN, 'not a version!'],
    ['package/bash/description', 'bell \u0007'],
    ['advisory/X-1/severity', 'dire'],
    ['advisory/X-1/affected', '< 1'],
    ['advisory/X-1/reference', 'javascript:alert(1)'],
    ['channel/description/more', 'x'],
    ['set/base/member', '1'],
  ] as const) {
    const fold = new MetadataFold(maintainerList(1))
    fold.add(ADA, changeOf(ADA, { ops: [{ path, value, over: [] }] }))
    t.deepEqual(refusals(fold), [[ADA, 1, 'METADATA_INVALID']], path)
  }
  t.end()
})

test('fold: after its author was removed → CHANGE_AFTER_REMOVAL; what was before stays', (t) => {
  const first = changeOf(EVE)
  const second = changeOf(EVE, {
    seq: 2,
    startOp: 2,
    ops: [{ path: 'package/curl/pin', value: '6', over: [] }],
    after: [{ key: EVE, change: first }],
  })
  const listed = (lastChange: number | null): Maintainer[] =>
    maintainerList(3).map((known) => (known.key === EVE ? { ...known, lastChange } : known))
  const removed = new MetadataFold(listed(1))
  for (const change of [first, second]) removed.add(EVE, change)
  t.deepEqual([shown(removed), shown(removed, 'package/curl/pin')], [['1.0'], []])
  t.deepEqual(refusals(removed), [[EVE, 2, 'CHANGE_AFTER_REMOVAL']])

  const built = changeOf(ADA, {
    startOp: 3,
    ops: [{ path: PIN, value: '9', over: [] }],
    after: [{ key: EVE, change: second }],
  })
  removed.add(ADA, built)
  t.deepEqual([removed.countOf(ADA), removed.refusals.length], [0, 1], 'what follows it waits, and is not refused')
  const longer = new MetadataFold(listed(2))
  for (const change of [first, second]) longer.add(EVE, change)
  longer.add(ADA, built)
  t.equal(longer.countOf(ADA), 1, 'and counts when the publisher lets more of them count')
  t.end()
})

test('fold: a key that is not listed, or listed twice → refused', (t) => {
  const fold = new MetadataFold(maintainerList(2))
  t.equal(
    refusalOf(() => fold.add(EVE, changeOf(EVE))),
    'MAINTAINER_UNKNOWN',
  )
  t.equal(
    refusalOf(() => new MetadataFold([...maintainerList(2), ...maintainerList(1)])),
    'EVENT_INVALID',
  )
  t.end()
})

test('fold: what it follows is not here → it waits, whatever comes after it; then all of it counts', (t) => {
  const fold = new MetadataFold(maintainerList(2))
  const first = changeOf(ADA)
  const second = changeOf(BO, {
    startOp: 2,
    ops: [{ path: PIN, value: '2', over: [] }],
    after: [{ key: ADA, change: first }],
  })
  const third = changeOf(BO, {
    seq: 2,
    startOp: 3,
    ops: [{ path: PIN, value: '3', over: [] }],
    after: [{ key: BO, change: second }],
  })
  fold.add(BO, second)
  fold.add(BO, third)
  t.deepEqual([fold.countOf(BO), fold.refusals.length], [0, 0])
  fold.add(ADA, first)
  t.deepEqual([fold.countOf(BO), shown(fold)], [2, ['3', '2', '1.0']])
  t.end()
})

test('fold: goes on from an encoded state → as if it had all changes', (t) => {
  const list = maintainerList(2)
  const first = changeOf(ADA)
  const away = changeOf(BO, {
    startOp: 2,
    ops: [{ path: PIN, value: '2', over: [] }],
    after: [{ key: ADA, change: first }],
  })
  const second = changeOf(ADA, {
    seq: 2,
    startOp: 2,
    ops: [{ path: PIN, value: '3', over: [{ actor: ADA, counter: 1 }] }],
    after: [{ key: ADA, change: first }],
  })
  const before = new MetadataFold(list)
  for (const change of [first, second]) before.add(ADA, change)
  const encoded = encodeState(before.state)
  const after = new MetadataFold(list, decodeState(encoded))
  t.deepEqual(encodeState(after.state), encoded)
  after.add(BO, away) // it follows a change that the state only has the effects of
  t.deepEqual([after.countOf(BO), after.unknown], [0, [{ key: ADA, seq: 1 }]])
  after.learn({ key: ADA, seq: 1 }, first)
  before.add(BO, away)
  t.deepEqual(encodeState(after.state), encodeState(before.state))
  t.deepEqual([...shown(after)].toSorted(), ['2', '3'])
  t.end()
})

test('state: bytes that no state has → EVENT_INVALID', (t) => {
  const fold = new MetadataFold(maintainerList(1))
  fold.add(ADA, changeOf(ADA))
  const encoded = encodeState(fold.state)
  for (let at = 0; at < encoded.byteLength; at++) {
    const cut = encoded.subarray(0, at)
    if (refusalOf(() => decodeState(cut)) !== 'EVENT_INVALID') t.fail(`cut at ${at}`)
  }
  t.equal(
    refusalOf(() => decodeState(Buffer.concat([encoded, Buffer.of(0)]))),
    'EVENT_INVALID',
  )
  t.end()
})

test('change: hash of a change → SHA-256 over type, length and body, as Automerge names it', (t) => {
  const { change } = changeOf(ADA)
  const none: DigestHex = digestHex(Buffer.alloc(32))
  t.notEqual(change.hash, none)
  t.equal(encodeChange(change).subarray(4, 8).toString('hex'), change.hash.slice(0, 8))
  t.end()
})
