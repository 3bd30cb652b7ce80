/** What a fork's log says of the document that it has from its upstream: read as it is, and every lie about it refused and named. */
import test, { type Assert } from 'brittle'
import { seenFromFork } from '../../schemas/chain-position.ts'
import { NO_CHANGES } from '../../schemas/curate.ts'
import type { Metadata } from '../../schemas/metadata-events.ts'
import type { MetadataState } from '../../schemas/metadata-fold.ts'
import { encodeState, stateDigest } from '../../schemas/metadata-state.ts'
import type { KeyHex } from '../../schemas/units.ts'
import { documentBlocks, foldFixed, readFixed } from '../../store/fixed-metadata.ts'
import { MaintainerLog } from '../../store/maintainer-log.ts'
import { MetadataDraft } from '../../store/metadata-draft.ts'
import { auditOf, failuresOf } from '../helpers/audit.ts'
import { MAIN, stanza, TestChannel } from '../helpers/channel.ts'
import { TestFork } from '../helpers/fork.ts'
import { codeOf } from '../helpers/refusal.ts'

const AT_MS = 1_700_000_000_000
const PIN = 'package/aa/pin'

interface Cloned {
  readonly upstream: TestChannel
  readonly fork: TestFork
  readonly ada: MaintainerLog
  /** Position of upstream's `metadata`. */
  readonly fixedAt: number
  readonly state: MetadataState
  readonly logOf: (key: KeyHex) => Promise<MaintainerLog>
}

/** Upstream with one maintainer, Ada, who said something twice; it has fixed both. The fork stands on that release. */
async function cloned(t: Assert): Promise<Cloned> {
  const upstream = await TestChannel.create(t, 'upstream')
  await upstream.publish({ [MAIN]: stanza('aa', '1') })
  const ada = await MaintainerLog.openOwn(upstream.store, upstream.log.key)
  await ada.begin(upstream.log.key, 'Ada', AT_MS)
  const draft = await MetadataDraft.create(ada.key, [{ key: ada.key, name: 'Ada', lastChange: null }])
  for (const value of ['1', '2']) {
    const made = draft.edit([{ path: PIN, value }], null, AT_MS)
    if (made !== null) await ada.append(made.change.seq, made.bytes, made.follows)
  }
  await name(upstream, ada)
  await fix(upstream, noteOf(draft.fold.state))
  const fixedAt = upstream.log.length - 1
  await upstream.publish({ [MAIN]: stanza('aa', '2') })
  const fork = await TestFork.create(t, upstream)
  await fork.publish(2, NO_CHANGES)
  return { upstream, fork, ada, fixedAt, state: draft.fold.state, logOf: async () => ada }
}

async function name({ log }: Pick<TestChannel, 'log'>, { key }: MaintainerLog): Promise<void> {
  const maintainers = [{ key: Buffer.from(key, 'hex'), name: 'Ada', lastChange: null }]
  await log.appendNote(log.length, { type: 'maintainers', atMs: AT_MS, ...(await log.newest()), maintainers })
}

type Said = Omit<Metadata, 'atMs' | 'releaseBlock' | 'noteBlock'>

function noteOf(state: MetadataState): Said {
  return {
    counts: state.heads.map(({ key, seq }) => ({ key: Buffer.from(key, 'hex'), changes: seq })),
    tips: state.tips.map((tip) => Buffer.from(tip, 'hex')),
    digest: Buffer.from(stateDigest(encodeState(state)), 'hex'),
    stateBlock: 0,
    upstreamBlock: 0,
  }
}

async function fix({ log }: Pick<TestChannel, 'log'>, note: Said): Promise<void> {
  await log.appendNote(log.length, { type: 'metadata', atMs: AT_MS, ...(await log.newest()), ...note })
}

/** The value of the pin in the fork, by now or in a release. */
async function pinIn({ fork, logOf }: Cloned, number: number | null = null): Promise<string | undefined> {
  const fixed = await readFixed(fork.log, await documentBlocks(fork.log, fork.history, number, {}), {})
  return (await foldFixed(fork.log, fixed, logOf, {})).state.registers.get(PIN)?.[0]?.value
}

test('fork metadata: a fork that says nothing, or that it has what upstream has → the same document, and an audit holds', async (t) => {
  const clone = await cloned(t)
  t.is(await pinIn(clone), '2')
  await fix(clone.fork, { ...noteOf(clone.state), upstreamBlock: seenFromFork(clone.fixedAt) })
  t.alike([await pinIn(clone), await pinIn(clone, 1)], ['2', '2'])
  const { upstream, fork, logOf } = clone
  t.alike(failuresOf(await auditOf(t, fork, { upstream, maintainerLog: logOf })), [])
})

const LIES: Readonly<Record<string, (clone: Cloned) => Promise<void>>> = {
  'has fewer changes of upstream than that counts': async ({ fork, fixedAt, state }) => {
    const counts = state.heads.map(({ key }) => ({ key: Buffer.from(key, 'hex'), changes: 1 }))
    await fix(fork, { ...noteOf(state), counts, upstreamBlock: seenFromFork(fixedAt) })
  },
  'names a block of upstream that fixes nothing': ({ fork, fixedAt, state }) =>
    fix(fork, { ...noteOf(state), upstreamBlock: seenFromFork(fixedAt - 1) }),
  'names a log that there is not': ({ fork, fixedAt, state }) =>
    fix(fork, { ...noteOf(state), upstreamBlock: seenFromFork(seenFromFork(fixedAt)) }),
  'names itself': ({ fork, state }) => fix(fork, { ...noteOf(state), upstreamBlock: fork.log.length - 1 }),
  'says that upstream said something else': ({ fork, fixedAt, state }) =>
    fix(fork, { ...noteOf(state), digest: Buffer.alloc(32), upstreamBlock: seenFromFork(fixedAt) }),
  'begins with a state of upstream that is none': ({ fork, fixedAt, state }) =>
    fix(fork, { ...noteOf(state), stateBlock: seenFromFork(1), upstreamBlock: seenFromFork(fixedAt) }),
  'has upstream’s changes without naming it': ({ fork, state }) => fix(fork, noteOf(state)),
  'names a maintainer of upstream as its own': async ({ fork, ada, fixedAt, state }) => {
    await name(fork, ada)
    await fix(fork, { ...noteOf(state), upstreamBlock: seenFromFork(fixedAt) })
  },
}

for (const [what, lie] of Object.entries(LIES)) {
  test(`fork metadata: a fork that ${what} → its readers refuse the document, and an audit names it`, async (t) => {
    const clone = await cloned(t)
    const { upstream, fork, logOf } = clone
    await lie(clone)
    const refused = await codeOf(pinIn(clone))
    t.ok(['METADATA_MISMATCH', 'EVENT_INVALID', 'MAINTAINER_UNKNOWN'].includes(refused), refused)
    t.is(await pinIn(clone, 1), '2', 'the release before has what it had')
    const failures = failuresOf(await auditOf(t, fork, { upstream, maintainerLog: logOf }))
    t.ok(failures.length > 0)
    t.alike(
      failures.filter((failure) => !/^(METADATA|NOTE)_WRONG /.test(failure)),
      [],
    )
  })
}
