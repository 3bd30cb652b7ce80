import test from 'tape'
import { MirrorScores } from '../../protocols/mirror-scores.ts'
import { FreshetError } from '../../schemas/errors.ts'
import {
  MIRROR_BACKOFF_MS_MAX,
  MIRROR_BACKOFF_MS_MIN,
  MIRROR_WRONG_KEPT,
  MIRROR_WRONG_MAX,
  MIRRORS_SCORED_MAX,
} from '../../schemas/limits.ts'
import { digestHex, type DigestHex } from '../../schemas/units.ts'

const [A, B, C] = ['http://a', 'http://b', 'http://c'] as const
const MBYTE = 1_000_000
const digest = (n: number): DigestHex => digestHex(Buffer.alloc(32, n))
const refused = (status: number, retryAfterMs?: number): FreshetError =>
  new FreshetError('MIRROR_REFUSED', 'no', { status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) })
const unreachable = new FreshetError('MIRROR_UNREACHABLE', 'gone')

test('mirror scores: measured → the quickest for a piece comes first, an unknown one before a slow one', (t) => {
  const scores = new MirrorScores()
  t.deepEqual(scores.usable([A, B, C], digest(1), 0), [A, B, C], 'nothing known: in the order of the list')
  scores.delivered(A, MBYTE, 50, 50 + 10_000)
  scores.delivered(C, MBYTE, 20, 20 + 100)
  t.deepEqual(scores.usable([A, B, C], digest(1), 0), [C, B, A])
  const { bytesPerSecond, firstByteMs } = scores.of(A)
  t.deepEqual([bytesPerSecond, firstByteMs], [100_000, 50])
  scores.delivered(A, MBYTE, 150, 150 + 1_000)
  t.ok((scores.of(A).bytesPerSecond ?? 0) > 100_000, 'the newest counts')
  t.ok((scores.of(A).bytesPerSecond ?? 0) < MBYTE, 'and so does what was before')
  t.equal(Math.round(scores.of(A).firstByteMs ?? 0), 80)
  t.end()
})

test('mirror scores: failures → left alone, twice as long each time, at most an hour; a success ends the row', (t) => {
  const scores = new MirrorScores()
  scores.failed(A, unreachable, 1000)
  t.deepEqual(scores.usable([A, B], digest(1), 1000 + MIRROR_BACKOFF_MS_MIN - 1), [B])
  t.deepEqual(scores.usable([A, B], digest(1), 1000 + MIRROR_BACKOFF_MS_MIN), [A, B])
  scores.failed(A, unreachable, 5000)
  t.equal(scores.of(A).pausedUntilMs, 5000 + 2 * MIRROR_BACKOFF_MS_MIN)
  t.equal(scores.of(A).trouble, 'MIRROR_UNREACHABLE')
  for (let i = 0; i < 100; i++) scores.failed(A, unreachable, 10_000)
  t.equal(scores.of(A).pausedUntilMs, 10_000 + MIRROR_BACKOFF_MS_MAX)
  scores.delivered(A, 1, 1, 2)
  t.deepEqual([scores.of(A).failures, scores.of(A).trouble], [0, null])
  t.end()
})

test('mirror scores: Retry-After → obeyed, within bounds; a file that is not there → no fault of the mirror', (t) => {
  const scores = new MirrorScores()
  scores.failed(A, refused(503, 60_000), 0)
  t.equal(scores.of(A).pausedUntilMs, 60_000)
  scores.failed(B, refused(429, 10 * MIRROR_BACKOFF_MS_MAX), 0)
  t.equal(scores.of(B).pausedUntilMs, MIRROR_BACKOFF_MS_MAX)
  for (const status of [200, 206, 404, 410, 416]) scores.failed(C, refused(status), 0)
  t.deepEqual([scores.of(C).failures, scores.of(C).pausedUntilMs], [0, 0])
  scores.failed(C, refused(500), 0)
  t.equal(scores.of(C).failures, 1)
  t.end()
})

test('mirror scores: wrong bytes → never again for that artifact; of several → not at all for an hour', (t) => {
  const scores = new MirrorScores()
  scores.wrong(A, digest(1), 0)
  scores.wrong(A, digest(1), 0)
  t.deepEqual(scores.usable([A, B], digest(1), 2 * MIRROR_BACKOFF_MS_MAX), [B])
  t.deepEqual(scores.usable([A, B], digest(2), 0), [A, B], 'for others it is asked')
  for (let n = 2; n <= MIRROR_WRONG_MAX; n++) scores.wrong(A, digest(n), 1000)
  t.equal(scores.of(A).wrong.length, MIRROR_WRONG_MAX)
  t.deepEqual(scores.usable([A, B], digest(9), 1000), [B])
  t.deepEqual(scores.usable([A, B], digest(9), 1000 + MIRROR_BACKOFF_MS_MAX), [A, B])
  scores.delivered(A, 1, 1, 2)
  t.deepEqual(scores.usable([A], digest(9), 2000), [], 'a success does not end that')
  t.end()
})

test('mirror scores: many mirrors, many lies → bounded', (t) => {
  const scores = new MirrorScores()
  for (let n = 0; n < 2 * MIRROR_WRONG_KEPT; n++) scores.wrong(A, digest(n), 0)
  t.equal(scores.of(A).wrong.length, MIRROR_WRONG_KEPT)
  for (let n = 0; n < MIRRORS_SCORED_MAX; n++) scores.failed(`http://host${n}`, unreachable, 0)
  t.equal(scores.of(A).trouble, null, 'the one that was not used for the longest is forgotten')
  t.equal(scores.of('http://host0').failures, 1)
  t.end()
})
