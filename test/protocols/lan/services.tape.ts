/** DNS records of nodes on the local network: what is answered, and what is read of what anybody sends. */
import test from 'tape'
import { asksFor, LAN_QUERY, recordsOf, servicesIn } from '../../../protocols/lan/services.ts'
import { LAN_SERVICES_PER_PACKET_MAX } from '../../../schemas/limits.ts'

const SERVICE = { label: 'abc', host: '10.0.0.2', port: 49737, strings: [Buffer.from('v=1')] }

test('services: a node is announced → port and text are read from the packet', (t) => {
  t.deepEqual(servicesIn(recordsOf(SERVICE)), [{ port: 49737, strings: SERVICE.strings }])
  t.end()
})

test('services: a node leaves → it is not read as one that is there', (t) => {
  t.deepEqual(servicesIn(recordsOf(SERVICE, true)), [])
  t.end()
})

test('services: a question for us → answered, unless who asks knows already', (t) => {
  t.ok(asksFor(LAN_QUERY, SERVICE))
  t.ok(asksFor({ questions: [{ name: '_FRESHET._udp.local', type: 'PTR' }] }, SERVICE))
  t.ok(asksFor({ questions: [{ name: 'abc._freshet._udp.local', type: 'SRV' }] }, SERVICE))
  t.notOk(asksFor({ questions: [{ name: '_ipp._tcp.local', type: 'PTR' }] }, SERVICE))
  t.notOk(asksFor({ ...LAN_QUERY, answers: recordsOf(SERVICE).answers ?? [] }, SERVICE))
  t.notOk(asksFor({}, SERVICE))
  t.end()
})

test('services: what is wrong, or too much → passed over', (t) => {
  const srv = (data: unknown, name = 'x._freshet._udp.local') => ({ name, type: 'SRV', ttl: 120, data })
  const answers = [null, 'text', {}, { port: 0 }, { port: 65_536 }, { port: 1.5 }, { port: '80' }].map((data) =>
    srv(data),
  )
  t.deepEqual(servicesIn({ answers }), [])
  t.deepEqual(servicesIn({ answers: [srv({ port: 80 }, 'x._ipp._tcp.local')] }), [])
  t.deepEqual(servicesIn({ answers: [srv({ port: 80 })] }), [{ port: 80, strings: undefined }])
  const many = Array.from({ length: 100 }, (_, i) => srv({ port: i + 1 }, `n${i}._freshet._udp.local`))
  t.equal(servicesIn({ answers: many }).length, LAN_SERVICES_PER_PACKET_MAX)
  t.end()
})
