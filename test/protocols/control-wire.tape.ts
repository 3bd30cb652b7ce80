import fc from 'fast-check'
import test from 'tape'
import { controlPath } from '../../protocols/control-path.ts'
import { errorFromWire, LineSplitter, parseReply, parseRequest } from '../../protocols/control-wire.ts'
import { FreshetError } from '../../schemas/errors.ts'

test('control wire: lines cut anywhere → the same lines', (t) => {
  const text = fc.string({ unit: 'grapheme' }).map((line) => line.replaceAll('\n', ' '))
  fc.assert(
    fc.property(fc.array(text, { maxLength: 8 }), fc.array(fc.nat(40), { maxLength: 8 }), (lines, cuts) => {
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
      const splitter = new LineSplitter(10_000)
      const found: string[] = []
      let offset = 0
      for (const cut of [...cuts, bytes.byteLength]) {
        found.push(...splitter.push(bytes.subarray(offset, offset + cut)))
        offset += cut
      }
      return JSON.stringify(found) === JSON.stringify(lines)
    }),
  )
  t.end()
})

test('control wire: a line longer than its bound → MESSAGE_MALFORMED, whether it ends or not', (t) => {
  for (const bytes of ['12345\n', '12345', '1\n12345']) {
    const splitter = new LineSplitter(4)
    t.throws(() => [...splitter.push(Buffer.from(bytes))], /longer than 4 bytes/, JSON.stringify(bytes))
  }
  t.deepEqual([...new LineSplitter(4).push(Buffer.from('1234\n'))], ['1234'])
  t.end()
})

test('control wire: a request of another shape → MESSAGE_MALFORMED', (t) => {
  t.deepEqual(parseRequest('{"id":0,"op":"status"}'), { kind: 'call', id: 0, op: 'status', args: undefined })
  t.deepEqual(parseRequest('{"id":7,"cancel":true}'), { kind: 'cancel', id: 7 })
  const refused = [
    '',
    'x',
    'null',
    '[]',
    '1',
    '{}',
    '{"id":-1,"op":"a"}',
    '{"id":1.5,"op":"a"}',
    '{"id":"1","op":"a"}',
    '{"id":1}',
    '{"id":1,"op":""}',
    `{"id":1,"op":"${'a'.repeat(65)}"}`,
    '{"id":1,"cancel":1}',
  ]
  for (const line of refused) t.throws(() => parseRequest(line), FreshetError, line)
  for (const line of ['{"id":1}', '{"result":1}', '{"id":null,"result":1}'])
    t.throws(() => parseReply(line), FreshetError)
  t.end()
})

test('control wire: an error over the wire → the same code, message and detail', (t) => {
  const sent = new FreshetError('CHANNEL_UNKNOWN', 'no channel x', { channel: 'x', tries: 2, isLast: true, at: null })
  const got = errorFromWire(JSON.parse(JSON.stringify(sent)))
  t.deepEqual(got.toJSON(), sent.toJSON())
  const unknown = errorFromWire({ code: 'NEWER_CODE', message: 'm', detail: { a: { b: 1 }, c: 1 } })
  t.equal(unknown.code, 'INTERNAL')
  t.deepEqual(unknown.detail, { c: 1, code: 'NEWER_CODE' })
  t.equal(errorFromWire({ code: 'constructor' }).code, 'INTERNAL')
  t.equal(errorFromWire('x').code, 'INTERNAL')
  t.end()
})

test('control path: a home that is too deep for a socket → a short name of its own elsewhere', (t) => {
  t.equal(controlPath('/home/a/.local/share/freshet'), '/home/a/.local/share/freshet/control.sock')
  const deep = `/${'d'.repeat(120)}`
  const path = controlPath(deep)
  t.ok(Buffer.byteLength(path) <= 103 && path.endsWith('.sock'), path)
  t.equal(controlPath(`${deep}/`), path, 'the same home')
  t.notEqual(controlPath(`${deep}2`), path)
  t.end()
})
