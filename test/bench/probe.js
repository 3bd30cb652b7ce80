/**
 * Loaded into the compiled product by `node --import`: says on file descriptor 3 what the process has used.
 *
 * One JSON line when the process ends, and one for each SIGUSR2. Plain JavaScript, because the process that is measured
 * must not carry a TypeScript loader. Bytes on the wire are UDP payloads, as libudx counts them: DHT and acknowledgements
 * included, headers of IP and UDP not.
 */
import { writeSync } from 'node:fs'
import { createRequire } from 'node:module'

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
