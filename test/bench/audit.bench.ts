/**
 * `freshet audit` over a history of the real index, every release of it: the compiled command on a home without a daemon.
 *
 * FRESHET_BENCH_RELEASES=N sets the length (default 30): making one release takes longer than auditing it.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startNode } from '../../actors/node.ts'
import { startBootstrap } from '../../protocols/bootstrap.ts'
import type { AuditReport } from '../../schemas/audit-report.ts'
import { type Bench, bench, mega } from './bench.ts'
import { missingLists } from './debian.ts'
import { LongHistory } from './long-history.ts'
import { runFreshet } from './product.ts'

const RELEASES = Number(process.env['FRESHET_BENCH_RELEASES'] ?? 30)
const RUNS = 3
const SAMPLE = 10

await bench(`audit: a history of ${RELEASES} releases of bookworm main`, missingLists(), async (b) => {
  const home = await b.folder()
  const keyring = join(await b.folder(), 'key.asc')
  await makeHistory(home, keyring)
  const dht = await startBootstrap({ host: '127.0.0.1', port: 0 })
  b.after(() => dht.destroy())
  const args = ['audit', 'debian', '--home', home, '--keyring', keyring, '--bootstrap', `${dht.host}:${dht.port}`]
  await measure(b, 'every release', args)
  await measure(b, `a sample of ${SAMPLE}`, [...args, '--sample', String(SAMPLE), '--seed', 'bench'])
})

async function makeHistory(home: string, keyring: string): Promise<void> {
  const history = await LongHistory.open()
  await writeFile(keyring, history.publicKey)
  const node = await startNode({ home, network: null })
  await node.createChannel('debian', { publicKey: Buffer.from(history.publicKey), privateKey: 'not used' })
  for (let number = 1; number <= RELEASES; number++) {
    await node.publish('debian', await history.next(), () => {})
    if (number % 10 === 0) console.log(`  made ${number} releases`)
  }
  await node.close()
}

async function measure(b: Bench, what: string, args: readonly string[]): Promise<void> {
  const runs = []
  for (let run = 0; run < RUNS; run++) runs.push(await runFreshet(args))
  const reports = runs.map(({ result }) => result as unknown as AuditReport)
  const [report] = reports
  if (report === undefined || !report.ok || report.releases !== RELEASES) throw new Error('the audit did not hold')
  b.text(`${what}: log / look-up index`, `${mega(report.logBytes).toFixed(1)} MB / ${report.lookupBlocks} blocks`)
  b.text(`${what}: index files made again`, `${(report.indexBytes / 1e9).toFixed(2)} GB`)
  const of = (pick: (report: AuditReport) => number): number[] => reports.map(pick)
  b.figure(
    `${what}: releases a second`,
    of(({ releasesPerSecond }) => releasesPerSecond),
    '/s',
  )
  b.figure(
    `${what}: index files`,
    of(({ indexBytesPerSecond }) => mega(indexBytesPerSecond)),
    'MB/s',
  )
  b.figure(
    `${what}: the whole audit`,
    of(({ elapsedMs }) => elapsedMs / 1000),
    's',
  )
  const usages = runs.map(({ usage }) => usage)
  b.figure(
    `${what}: CPU of the process`,
    usages.map(({ userMs, systemMs }) => (userMs + systemMs) / 1000),
    's',
  )
  b.figure(
    `${what}: peak memory`,
    usages.map(({ peakBytes }) => mega(peakBytes)),
    'MB',
  )
}
