import test from 'tape'
import { isLanAddress } from '../../protocols/lan-address.ts'

test('lan address: private, link-local, unique local, loopback, mapped → local', (t) => {
  for (const host of [
    '10.0.0.1',
    '10.255.255.255',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.20',
    '169.254.3.4',
    '127.0.0.1',
    '127.8.8.8',
    '::1',
    'fe80::1',
    'fe80::1%eth0',
    'febf::1',
    'fc00::1',
    'fd12:3456:789a::1',
    '::ffff:192.168.1.20',
    '::ffff:c0a8:0114',
    '::ffff:127.0.0.1',
  ]) {
    t.ok(isLanAddress(host), host)
  }
  t.end()
})

test('lan address: public, shared, almost, mapped public, no address → not local', (t) => {
  for (const host of [
    '8.8.8.8',
    '9.255.255.255',
    '11.0.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '192.167.255.255',
    '192.169.0.0',
    '169.253.0.1',
    '100.64.0.1',
    '0.0.0.0',
    '255.255.255.255',
    '2001:db8::1',
    '::',
    'fec0::1',
    'fbff::1',
    '::ffff:8.8.8.8',
    '64:ff9b::a00:1',
    '',
    'localhost',
    '192.168.1',
    '192.168.1.20:80',
    '[::1]',
    '10.0.0.1\n',
    '0x7f.0.0.1',
  ]) {
    t.notOk(isLanAddress(host), JSON.stringify(host))
  }
  t.end()
})
