/** Debian's name of this machine's architecture: dpkg's word where there is one. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { TOOL_MS_MAX } from '../../schemas/limits.ts'

const run = promisify(execFile)
/** Node's name of a processor → Debian's. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: 'i386',
  arm: 'armhf',
  arm64: 'arm64',
  loong64: 'loong64',
  mips64el: 'mips64el',
  ppc64: 'ppc64el',
  riscv64: 'riscv64',
  s390x: 's390x',
}

export async function machineArchitecture(): Promise<string> {
  try {
    const { stdout } = await run('dpkg', ['--print-architecture'], { timeout: TOOL_MS_MAX })
    return stdout.trim()
  } catch {
    return ARCHITECTURES[process.arch] ?? process.arch // not a Debian machine
  }
}
