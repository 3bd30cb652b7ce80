import fc from 'fast-check'
import test from 'tape'
import { createActor, type SnapshotFrom } from 'xstate'
import { fetchArtifact, type FetchContext, type FetchFact } from '../../actors/fetch-artifact.ts'
import { livePort } from '../../actors/port.ts'
import { applyFact, initialState, resume } from '../../actors/recover.ts'
import { DIGESTS, kept, unavailable, wanted } from './facts.ts'

const digest = DIGESTS[0] as (typeof DIGESTS)[number]
const input = { wanted: wanted(digest) }
const idle = fetchArtifact.provide({
  actors: {
    transfer: livePort<FetchContext>(
      async () => {},
      () => {},
    ),
  },
})

function fold(facts: readonly FetchFact[]): SnapshotFrom<typeof fetchArtifact> {
  return facts.reduce((state, fact) => applyFact(fetchArtifact, state, fact), initialState(fetchArtifact, input))
}

test('fetch artifact: its facts → every state, with why it was given up', (t) => {
  const told = (...facts: FetchFact[]): unknown[] => {
    const { value, status, context } = fold(facts)
    return [value, status, context.code]
  }
  t.deepEqual(told(), ['transferring', 'active', ''])
  t.deepEqual(told(kept(digest)), ['kept', 'done', ''])
  t.deepEqual(told(unavailable(digest)), ['unavailable', 'done', 'NO_PEERS'])
  t.deepEqual(Object.keys(fetchArtifact.states).toSorted(), ['kept', 'transferring', 'unavailable'])
  t.end()
})

test('fetch artifact: facts after the end → nothing changes', (t) => {
  t.deepEqual(fold([kept(digest), unavailable(digest)]).value, 'kept')
  t.deepEqual(fold([unavailable(digest), kept(digest), unavailable(digest, 'DISK_FULL')]).context.code, 'NO_PEERS')
  t.end()
})

test('fetch artifact: a crash after any fact → the resumed machine is where the live one was', (t) => {
  const anyFact = fc.constantFrom<FetchFact>(kept(digest), unavailable(digest), unavailable(digest, 'DISK_FULL'))
  fc.assert(
    fc.property(fc.array(anyFact, { maxLength: 3 }), (facts) => {
      const actor = createActor(idle, { input })
      actor.start()
      for (const fact of facts) actor.send(fact)
      const resumed = resume(idle, input, fold(facts)).getSnapshot()
      const now = actor.getSnapshot()
      return fc.stringify([now.value, now.context]) === fc.stringify([resumed.value, resumed.context])
    }),
  )
  t.end()
})

test('fetch artifact: stopped while it transfers → the transfer is aborted', (t) => {
  let seen: AbortSignal | null = null
  const port = livePort<FetchContext>(
    async (_, signal) => void (seen = signal),
    () => {},
  )
  const actor = createActor(fetchArtifact.provide({ actors: { transfer: port } }), { input })
  actor.start()
  t.equal((seen as AbortSignal | null)?.aborted, false)
  actor.stop()
  t.equal((seen as AbortSignal | null)?.aborted, true)
  t.end()
})

test('fetch artifact: a transfer that was not provided → an error', (t) => {
  const actor = createActor(fetchArtifact, { input })
  const errors: string[] = []
  actor.subscribe({ error: (error) => errors.push(String(error)) })
  actor.start()
  t.deepEqual(errors, ['Error: port transfer was not provided'])
  t.end()
})

test('fetch artifact: a transfer that throws → reported as a defect once; not after it was aborted', async (t) => {
  const defects: unknown[] = []
  const failing = livePort<FetchContext>(
    async () => {
      throw new Error('defect')
    },
    (error) => defects.push(error),
  )
  const machine = fetchArtifact.provide({ actors: { transfer: failing } })
  createActor(machine, { input }).start()
  createActor(machine, { input }).start().stop()
  await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(defects.map(String), ['Error: defect'])
})
