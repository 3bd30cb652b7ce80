/** What happens after a release is ready: the next checkpoint is fetched ahead, and holds nothing up. */
import test from 'brittle'
import type { Channel } from '../../actors/channel.ts'
import { prepareSnapshot } from '../../actors/ports/prepare-snapshot.ts'
import { type ErrorCode, FreshetError } from '../../schemas/errors.ts'
import type { KeyHex } from '../../schemas/units.ts'

/** @returns what was recorded, fetched ahead and reported, in order. */
async function told(fetchAhead: () => Promise<void>, signal = new AbortController().signal): Promise<string[]> {
  const steps: string[] = []
  const history = {
    fetchAhead: () => {
      steps.push('fetched ahead')
      return fetchAhead()
    },
  }
  const channel = { key: '00' as KeyHex, log: { length: 3 }, history, prepare: async () => null } as unknown as Channel
  const record = async ({ type }: { type: string }): Promise<void> => void steps.push(type)
  const onTrouble = (_: Channel, { code }: FreshetError): void => void steps.push(code)
  await prepareSnapshot({ channel, record, now: () => 0, onTrouble }, signal)
  return steps
}

test('prepare snapshot: ready → recorded first, then the checkpoint is fetched ahead', async (t) => {
  t.alike(await told(async () => {}), ['release.ready', 'fetched ahead'])
})

test('prepare snapshot: aborted meanwhile → nothing is recorded or fetched', async (t) => {
  t.alike(await told(async () => {}, AbortSignal.abort()), [])
})

const OUTCOMES: readonly (readonly [ErrorCode, readonly string[]])[] = [
  ['NO_PEERS', []],
  ['STORE_FAILED', ['STORE_FAILED']],
  ['INTERRUPTED', ['INTERRUPTED']],
  ['DISK_FULL', ['DISK_FULL']],
]

for (const [code, reported] of OUTCOMES) {
  test(`prepare snapshot: fetching ahead fails with ${code} → the release is ready once, ${reported.length} reported`, async (t) => {
    const failing = async (): Promise<void> => {
      throw new FreshetError(code, 'a test')
    }
    t.alike(await told(failing), ['release.ready', 'fetched ahead', ...reported])
  })
}
