/**
 * Loaded into the compiled product by `node --import`: says on file descriptor 3 what the process has used.
 *
 * FRESHET_BENCH_PROFILE=DIR also writes a CPU profile of each process into that folder when it ends.
 * One JSON line when the process ends, and one for each SIGUSR2. Plain JavaScript, because the process that is measured
 * must not carry a TypeScript loader. Bytes on the wire are UDP payloads, as libudx counts them: DHT and acknowledgements
 * included, headers of IP and UDP not.
 */
import { writeFileSync, writeSync } from 'node:fs'
import { Session } from 'node:inspector'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const REPORT_DESCRIPTOR = 3
const networks = new Set()

if (process.env.FRESHET_BENCH_WIRE === '1') {
  const UDX = createRequire(import.meta.url)('udx-native')
  const { createSocket } = UDX.prototype
  UDX.prototype.createSocket = function (...args) {
    networks.add(this)
    return createSocket.apply(this, args)
  }
}

function report() {
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage()
  const wire = { received: 0, sent: 0 }
  for (const udx of networks) {
    wire.received += udx.bytesReceived
    wire.sent += udx.bytesTransmitted
  }
  const usage = { peakBytes: maxRSS * 1024, userMs: userCPUTime / 1000, systemMs: systemCPUTime / 1000, wire }
  writeSync(REPORT_DESCRIPTOR, `${JSON.stringify(usage)}\n`)
}

process.on('SIGUSR2', report)
process.on('exit', report)

const profiles = process.env.FRESHET_BENCH_PROFILE
if (profiles !== undefined) {
  const session = new Session()
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.start')
  process.on('exit', () => {
    session.post('Profiler.stop', (error, stopped) => {
      if (error !== null) throw error
      writeFileSync(join(profiles, `${process.pid}.cpuprofile`), JSON.stringify(stopped.profile))
    })
  })
}
