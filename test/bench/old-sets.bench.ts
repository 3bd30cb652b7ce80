/**
 * Old sets over a history of bookworm main: pairs of versions that never stood in one release, on a machine that has nothing.
 * FRESHET_BENCH_RELEASES=30 makes the history shorter.
 */
import { startNode } from '../../actors/node.ts'
import { parsePackage } from '../../tools/arguments.ts'
import { makePlan } from '../../tools/commands/plan.ts'
import type { DiffResult, VersionsResult } from '../../tools/history-operations.ts'
import { operationsOf } from '../../tools/operations.ts'
import type { PlanResult } from '../../tools/plan-packages.ts'
import type { Call } from '../../tools/run-operation.ts'
import { bench } from './bench.ts'
import { missingLists } from './debian.ts'
import { LongHistory } from './long-history.ts'

const RELEASES = Number(process.env['FRESHET_BENCH_RELEASES'] ?? 100)
const PAIRS = 7

await bench(`old sets: ${PAIRS} pairs over ${RELEASES} releases of bookworm main`, missingLists(), async (b) => {
  const history = await LongHistory.open()
  const node = await startNode({ home: await b.folder(), network: null })
  b.after(() => node.close())
  await node.createChannel('debian', { publicKey: Buffer.from(history.publicKey), privateKey: 'not used' })
  for (let number = 1; number <= RELEASES; number++) await node.publish('debian', await history.next())
  const operations = operationsOf(node)
  const io = { signal: new AbortController().signal, progress: () => {}, event: async () => {} }
  const call: Call = (operation, args) => operations[operation](args, io)

  const half = Math.floor(RELEASES / 2)
  const early = (await call('diff', { from: `debian@${half - 1}`, to: `debian@${half}` })) as DiffResult
  const late = (await call('diff', { from: `debian@${RELEASES - 1}`, to: `debian@${RELEASES}` })) as DiffResult
  const elapsed: number[] = []
  const sizes: number[] = []
  const outcomes: string[] = []
  const lookUps: number[] = []
  for (let i = 0; i < PAIRS; i++) {
    const [gone, fresh] = [early.upgraded[i * 9], late.upgraded[i * 9 + 4]]
    const wishes = [`${gone?.name}=${gone?.from}`, `${fresh?.name}=${fresh?.to}`]
    const lookedAtMs = performance.now()
    for (const wish of wishes) (await call('versions', { channel: 'debian', package: wish })) as VersionsResult
    const startedAtMs = performance.now()
    lookUps.push((startedAtMs - lookedAtMs) / wishes.length)
    const plan: PlanResult = await makePlan(call, 'debian', {
      wishes: wishes.map(parsePackage),
      statusPath: null,
      architecture: 'amd64',
      upgrade: false,
      allowRemove: false,
      recommends: false,
      pins: false,
    })
    elapsed.push(performance.now() - startedAtMs)
    if (plan.ok) sizes.push(plan.install.length)
    outcomes.push(plan.ok ? plan.releases.map((number) => `#${number}`).join('+') : `none: ${plan.reason?.at(-1)}`)
  }
  b.figure('one look-up of a version', lookUps, 'ms')
  b.figure('a pair that no release had, with all that was read', elapsed, 'ms')
  b.figure('— packages of the set', sizes, '')
  b.text('— releases', outcomes.join(', '))
})
