/** A real GnuPG with a home of its own: makes keys of any state and clear-signs with them. Its agent ends with the test. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Assert } from 'brittle'

export interface GpgHome {
  /** @param options before the command: `--faked-system-time` and its like. @returns the fingerprint. */
  makeKey(name: string, settings?: { algorithm?: string; expire?: string; options?: string[] }): string
  /** @returns a clear-signed file by these keys. */
  sign(text: string | Buffer, keys: readonly string[], options?: string[]): Buffer
  /** Public keys, binary. */
  export(...keys: string[]): Buffer
  exportArmored(...keys: string[]): Buffer
  revoke(key: string): void
  /** gpgv's verdict: exit code and its status lines. */
  gpgv(signed: Buffer, keyring: Buffer): { exitCode: number; status: string }
}

export function gpgHome(t: Assert): GpgHome {
  const home = mkdtempSync(join(tmpdir(), 'gpg-')) // a socket's path must be short
  const env = { PATH: process.env['PATH'], GNUPGHOME: home, LC_ALL: 'C' }
  const gpg = (args: string[], input: string | Buffer = ''): Buffer =>
    execFileSync('gpg', ['--batch', '--yes', '--quiet', '--passphrase', '', '--pinentry-mode', 'loopback', ...args], {
      env,
      input,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
  t.teardown(() => {
    execFileSync('gpgconf', ['--kill', 'all'], { env, stdio: 'ignore' })
    rmSync(home, { recursive: true, force: true })
  })
  return {
    makeKey: (name, { algorithm = 'ed25519', expire = 'never', options = [] } = {}) => {
      gpg([...options, '--quick-gen-key', `${name} <${name}@example.org>`, algorithm, 'sign', expire])
      const list = gpg(['--with-colons', '--list-keys', name]).toString()
      return /^fpr:+([0-9A-F]{40}):/m.exec(list)?.[1] ?? ''
    },
    sign: (text, keys, options = []) => {
      return gpg([...options, ...keys.flatMap((key) => ['--local-user', key]), '--clearsign'], text)
    },
    export: (...keys) => gpg(['--export', ...keys]),
    exportArmored: (...keys) => gpg(['--armor', '--export', ...keys]),
    revoke: (key) => {
      const folder = join(home, 'openpgp-revocs.d')
      const file = readdirSync(folder).find((name) => name.startsWith(key)) ?? ''
      // gpg puts a colon before the armour, so that nobody imports it by accident.
      gpg(['--import'], readFileSync(join(folder, file), 'latin1').replace(/^:---/m, '---'))
    },
    gpgv: (signed, keyring) => {
      writeFileSync(join(home, 'ring.gpg'), keyring)
      writeFileSync(join(home, 'signed'), signed)
      const args = ['--status-fd', '1', '--keyring', join(home, 'ring.gpg'), join(home, 'signed')]
      try {
        return {
          exitCode: 0,
          status: execFileSync('gpgv', args, { env, stdio: ['ignore', 'pipe', 'ignore'] }).toString(),
        }
      } catch (error) {
        const { status, stdout } = error as { status: number; stdout: Buffer }
        return { exitCode: status, status: stdout.toString() }
      }
    },
  }
}
