import test from 'brittle'
import { Slots } from '../../protocols/slots.ts'

const never = new AbortController().signal
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('slots: more than there are → so many at once, in the order in which they came', async (t) => {
  const slots = new Slots(2)
  const order: number[] = []
  let most = 0
  let now = 0
  const work = async (i: number): Promise<void> => {
    const release = await slots.take(never)
    most = Math.max(most, ++now)
    order.push(i)
    await turn()
    now--
    release()
  }
  await Promise.all([0, 1, 2, 3, 4, 5, 6].map(work))
  t.is(most, 2)
  t.alike(order, [0, 1, 2, 3, 4, 5, 6])
})

test('slots: given back twice → counts once', async (t) => {
  const slots = new Slots(1)
  const release = await slots.take(never)
  release()
  release()
  const second = await slots.take(never)
  let third = false
  void slots.take(never).then(() => (third = true))
  await turn()
  t.absent(third)
  second()
  await turn()
  t.ok(third)
})

test('slots: a waiter that gives up → leaves the queue; its slot goes to the next', async (t) => {
  const slots = new Slots(1)
  const release = await slots.take(never)
  const abort = new AbortController()
  const reason = new Error('gave up')
  const waiting = slots.take(abort.signal)
  const next = slots.take(never)
  abort.abort(reason)
  await t.exception(waiting, /gave up/)
  release()
  ;(await next)()
  ;(await slots.take(never))()
  t.pass('and it is free again')
})

test('slots: given up after its turn came, or before it asked → no slot is lost', async (t) => {
  const slots = new Slots(1)
  const abort = new AbortController()
  const release = await slots.take(abort.signal)
  const waiting = slots.take(abort.signal)
  release()
  abort.abort(new Error('too late'))
  ;(await waiting)()
  await t.exception(slots.take(abort.signal), /too late/)
  ;(await slots.take(never))()
  t.pass('still one to be had')
})
