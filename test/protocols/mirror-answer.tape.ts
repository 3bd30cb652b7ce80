import test from 'tape'
import {
  type AnswerMeaning,
  meaningOf,
  parseContentRange,
  rangeOf,
  retryAfterMs,
} from '../../protocols/mirror-answer.ts'
import { MIRROR_SKIP_BYTES_MAX } from '../../schemas/limits.ts'

const PART = { first: 100, lengthBytes: 50, fileBytes: 1000 }
const NOW = Date.parse('2026-05-01T12:00:00Z')

function meaning(status: number, headers: Record<string, string> = {}, part = PART): AnswerMeaning {
  return meaningOf({ status, header: (name) => headers[name] ?? null }, part)
}

test('mirror answer: the Range header → the bytes asked for, or none for the whole file', (t) => {
  t.equal(rangeOf(PART), 'bytes=100-149')
  t.equal(rangeOf({ first: 0, lengthBytes: 999, fileBytes: 1000 }), 'bytes=0-998')
  t.equal(rangeOf({ first: 0, lengthBytes: 1000, fileBytes: 1000 }), null)
  t.end()
})

test('mirror answer: Content-Range → read as RFC 9110 writes it, and nothing else', (t) => {
  t.deepEqual(parseContentRange('bytes 100-149/1000'), { first: 100, last: 149, total: 1000 })
  t.deepEqual(parseContentRange(' Bytes 0-0/* '), { first: 0, last: 0, total: null })
  for (const text of [
    '',
    'bytes */1000',
    'bytes 1-2',
    'bytes=1-2/3',
    'bytes 1-2/3, 4-5/6',
    'items 1-2/3',
    'bytes -1-2/3',
  ])
    t.equal(parseContentRange(text), null, JSON.stringify(text))
  t.equal(parseContentRange(`bytes 0-${'9'.repeat(30)}/*`), null, 'beyond what a number holds')
  t.end()
})

test('mirror answer: 206 with exactly the range → its bytes; anything else → why not', (t) => {
  t.deepEqual(meaning(206, { 'content-range': 'bytes 100-149/1000' }), { skipBytes: 0 })
  t.deepEqual(meaning(206, { 'content-range': 'bytes 100-149/*' }), { skipBytes: 0 })
  const wrong = ['bytes 100-148/1000', 'bytes 99-149/1000', 'bytes 100-149/1001', 'bytes 0-999/1000', 'nonsense', '']
  for (const range of wrong) t.ok('fault' in meaning(206, { 'content-range': range }), range)
  t.ok('fault' in meaning(206, { 'content-type': 'multipart/byteranges; boundary=x' }), 'without a range')
  t.end()
})

test('mirror answer: 200 with the whole file → its beginning is dropped, within bounds', (t) => {
  t.deepEqual(meaning(200), { skipBytes: 100 })
  t.deepEqual(meaning(200, { 'content-length': '1000' }), { skipBytes: 100 })
  t.ok('fault' in meaning(200, { 'content-length': '999' }), 'a file of another size')
  t.ok('fault' in meaning(200, { 'content-length': '1000', 'content-encoding': 'gzip' }), 'packed')
  const late = { first: MIRROR_SKIP_BYTES_MAX + 1, lengthBytes: 1, fileBytes: 2 * MIRROR_SKIP_BYTES_MAX }
  t.ok('fault' in meaning(200, {}, late), 'too far into the file')
  t.deepEqual(meaning(200, {}, { ...late, first: MIRROR_SKIP_BYTES_MAX }), { skipBytes: MIRROR_SKIP_BYTES_MAX })
  for (const status of [204, 301, 304, 403, 404, 416, 429, 500, 503]) t.ok('fault' in meaning(status), String(status))
  t.end()
})

test('mirror answer: Retry-After → seconds or a date, never in the past', (t) => {
  t.equal(retryAfterMs('120', NOW), 120_000)
  t.equal(retryAfterMs('Fri, 01 May 2026 12:00:30 GMT', NOW), 30_000)
  t.equal(retryAfterMs('Fri, 01 May 2026 11:00:00 GMT', NOW), 0)
  for (const text of [null, '', 'soon', '-5x', '1e400x']) t.equal(retryAfterMs(text, NOW), null, String(text))
  t.end()
})
