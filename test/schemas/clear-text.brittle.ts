import { execFileSync } from 'node:child_process'
import test from 'brittle'
import { clearText } from '../../schemas/clear-text.ts'
import { skipUnless } from '../helpers/requires.ts'

const skip = skipUnless('gpg')

test(
  `clear text: a file that gpg has clear-signed → the file${skip === null ? '' : ` (${skip})`}`,
  { skip: skip !== null },
  async (t) => {
    const home = await t.tmp()
    const gpg = (args: string[], input = ''): Buffer =>
      execFileSync('gpg', ['--homedir', home, '--batch', '--quiet', '--passphrase', '', ...args], {
        input,
        stdio: 'pipe',
      })
    t.teardown(() => execFileSync('gpgconf', ['--homedir', home, '--kill', 'all']))
    gpg(['--quick-generate-key', 'Test <test@example.org>', 'ed25519', 'sign', 'never'])
    const texts = [
      'Origin: a\nSHA256:\n x\n',
      '- a\n-----BEGIN PGP SIGNATURE-----\n\n\n-\nFrom here\n',
      'caf\u00e9 \u{1f600}\n',
    ]
    for (const text of texts) t.is(clearText(gpg(['--clearsign'], text)).toString(), text)
  },
)
