/** What a test needs beyond Node: said aloud when it skips, and a failure where FRESHET_REQUIRE names it (`.ci/run` does). */
import { execFileSync } from 'node:child_process'

const PROBES = {
  dpkg: () => runs('dpkg-deb', ['--version']),
  apt: () => runs('apt-get', ['--version']),
  gpg: () => runs('gpg', ['--version']),
  dose: () => runs('dose-debcheck', ['--version']),
  root: () => process.getuid?.() === 0,
  namespaces: () => process.getuid?.() === 0 && runs('unshare', ['--net', 'ip', 'link']),
  loop: () => process.getuid?.() === 0 && runs('losetup', ['-f']),
} as const

export type Requirement = keyof typeof PROBES

/**
 * @returns null when all of `needs` are here, else the sentence to skip with.
 * @throws when one is missing that the environment variable FRESHET_REQUIRE (comma-separated, or `all`) insists on.
 */
export function skipUnless(...needs: Requirement[]): string | null {
  const missing = needs.filter((need) => !PROBES[need]())
  if (missing.length === 0) return null
  const required = (process.env['FRESHET_REQUIRE'] ?? '').split(',')
  const insisted = missing.filter((need) => required.includes('all') || required.includes(need))
  if (insisted.length > 0) throw new Error(`this machine must have ${insisted.join(', ')} (FRESHET_REQUIRE)`)
  return `skipped: needs ${missing.join(', ')}`
}

function runs(command: string, args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return true
  } catch {
    return false // not installed: exactly what is asked here
  }
}
