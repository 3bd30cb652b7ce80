/** A signer's own files: the key, and the list of what it signed. */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'brittle'
import { noteSigned, signedHeadsPath } from '../../store/signed-heads.ts'
import { createSignerKey, parseSigner, readSignerKey } from '../../store/signer-key.ts'
import { id } from '../../store/identity.ts'
import { scratchFolder } from '../helpers/channel.ts'
import { codeOf, refusalOf } from '../helpers/refusal.ts'

test('signer key: made → for its owner only, and the same one when it is made again', async (t) => {
  const folder = await scratchFolder(t)
  const path = join(folder, 'anna.key')
  const made = await createSignerKey(path)
  const pem = await readFile(path)
  t.is((await stat(path)).mode & 0o777, 0o600)
  t.alike((await createSignerKey(path)).publicKey, made.publicKey)
  t.alike(await readFile(path), pem, 'never overwritten')
  t.alike(await readdir(folder), ['anna.key'], 'nothing else is left')
  t.alike(parseSigner(id(made.publicKey)), made.publicKey)
  const again = await readSignerKey(path)
  t.alike(again.sign(Buffer.from('x')), made.sign(Buffer.from('x')), 'the same signature every time')
})

test('signer key: no key, another kind of file → refused, and not replaced', async (t) => {
  const folder = await scratchFolder(t)
  const path = join(folder, 'notes.txt')
  await writeFile(path, 'remember the milk')
  t.is(await codeOf(createSignerKey(path)), 'SIGNER_KEY_INVALID')
  t.is(await readFile(path, 'utf8'), 'remember the milk')
  t.is(await codeOf(readSignerKey(path)), 'SIGNER_KEY_INVALID')
  t.is(await codeOf(readSignerKey(join(folder, 'gone'))), 'IO_ERROR')
  t.is(
    refusalOf(() => parseSigner('anna')),
    'SIGNER_KEY_INVALID',
  )
})

test('signed heads: the same again → fine; a second continuation → SIGNED_OTHER unless replaced', async (t) => {
  const path = signedHeadsPath(join(await scratchFolder(t), 'anna.key'))
  const head = (base: number, length: number, n: number, key = 1) => ({
    key: Buffer.alloc(32, key),
    base,
    length,
    treeHash: Buffer.alloc(32, n),
  })
  const note = (of: ReturnType<typeof head>, replace = false): Promise<string> => codeOf(noteSigned(path, of, replace))
  t.is(await note(head(1, 4, 1)), 'accepted')
  t.is(await note(head(1, 4, 1)), 'accepted', 'again')
  t.is(await note(head(1, 4, 2)), 'SIGNED_OTHER')
  t.is(await note(head(1, 9, 2)), 'SIGNED_OTHER', 'also a longer one')
  t.is(await note(head(1, 4, 2, 7)), 'accepted', 'another channel')
  t.is(await note(head(4, 8, 3)), 'accepted', 'the next release')
  t.is(await note(head(1, 4, 2)), 'SIGNED_OTHER', 'an old base does not make it forget')
  t.is(await note(head(4, 9, 4), true), 'accepted', 'when told so')
  t.is(await note(head(4, 8, 3)), 'accepted', 'and the first one is still known')
  const bytes = await readFile(path)
  await writeFile(path, bytes.subarray(0, -1))
  t.is(await note(head(9, 12, 5)), 'REQUEST_INVALID', 'a damaged list is not taken for an empty one')
})
