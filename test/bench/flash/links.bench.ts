/** Whether the links of the flash crowds are what they say: round trips, loss, and the rates of a TCP and a UDP flow. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { allowCubic, compileSwitch, Network } from './network.ts'
import { NodeProcess, usageOf } from './node-process.ts'
import type { Link } from './rows.ts'

const FLOW = join(import.meta.dirname, 'flow.py')
const SECONDS = 10
/** Of 1,514 bytes of a full TCP frame with time stamps, and of a UDP frame of flow.py. */
const TCP_PAYLOAD_SHARE = 1448 / 1514
const UDP_PAYLOAD_SHARE = 1400 / 1442
const LINKS: readonly Link[] = [
  { up: 8, down: 16 },
  { up: 16, down: 32 },
]

const folder = mkdtempSync(join(tmpdir(), 'freshet-links-'))
const disallow = allowCubic()
const binary = compileSwitch(folder)

function start(network: Network, node: number, ...args: string[]): NodeProcess {
  return new NodeProcess({ network, node, folder }, ['python3', FLOW, ...args])
}

/** @returns payload in Mbit/s. */
async function rate(network: Network, kind: 'tcp' | 'udp', from: number, to: number, mbit: number): Promise<number> {
  const sink = start(network, to, `${kind}-sink`)
  await sink.lines.next()
  const source = start(network, from, `${kind}-source`, network.address(to), String(SECONDS), String(mbit))
  const bits = Number(await sink.lines.next())
  await Promise.all([source.lines.ended, sink.lines.ended])
  return bits / 1e6
}

async function check(delayMs: number, loss: number): Promise<void> {
  const network = await Network.start(binary, { links: LINKS, delayMs, loss, seed: 1 })
  const echo = start(network, 1, 'udp-echo')
  await echo.lines.next()
  const [trip = 0, kept = 0] = (await start(network, 0, 'rtt', network.address(1)).lines.next()).split(' ').map(Number)
  await echo.kill()
  console.log(`delay ${delayMs} ms, loss ${loss}: round trip ${trip.toFixed(2)} ms, ${kept} of round trips`)
  for (const [from, to, least] of [
    [0, 1, 8],
    [1, 0, 16],
  ] as const) {
    const cpuS = usageOf(network.switchPid).cpuS
    const tcp = await rate(network, 'tcp', from, to, least)
    const cpu = usageOf(network.switchPid).cpuS - cpuS
    const udp = await rate(network, 'udp', from, to, least * 1.5)
    const share = (payload: number, of: number): string =>
      `${payload.toFixed(2)} Mbit/s, ${((payload / of / least) * 100).toFixed(1)} %`
    console.log(
      `  ${least} Mbit/s: TCP ${share(tcp, TCP_PAYLOAD_SHARE)}; UDP ${share(udp, UDP_PAYLOAD_SHARE)}; switch ${((cpu * 100) / SECONDS).toFixed(1)} % of a core`,
    )
  }
  await network.close()
}

try {
  await check(10, 0)
  await check(50, 0)
  await check(10, 0.01)
} finally {
  disallow()
  rmSync(folder, { recursive: true, force: true })
}
