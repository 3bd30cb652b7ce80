/**
 * Whether an address is one of the local network, or of this machine: RFC 1918, link-local, fc00::/7 (RFC 4193), loopback.
 *
 * What the far end says of itself does not count: the address is the one that packets come from. Not among them is 100.64.0.0/10,
 * which providers and overlay networks share out, and which says nothing about who pays for the bytes.
 */
import { BlockList, isIP } from 'node:net'

const LAN = new BlockList()
for (const [network, prefix] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
  ['127.0.0.0', 8],
] as const) {
  LAN.addSubnet(network, prefix, 'ipv4') // IPv6 addresses that stand for one of these are found, too
}
for (const [network, prefix] of [
  ['fc00::', 7],
  ['fe80::', 10],
  ['::1', 128],
] as const) {
  LAN.addSubnet(network, prefix, 'ipv6')
}

/** Asked for every block that comes and goes: what was found for the addresses of the last peers. */
const found = new Map<string, boolean>()
const FOUND_MAX = 1_024

/** @param host an IP address as sockets name it, with a zone or not; of anything else nothing is known, so it is not local. */
export function isLanAddress(host: string): boolean {
  const known = found.get(host)
  if (known !== undefined) return known
  const address = host.replace(/%.*$/, '')
  const version = isIP(address)
  const isLan = version !== 0 && LAN.check(address, version === 4 ? 'ipv4' : 'ipv6')
  if (found.size >= FOUND_MAX) found.clear()
  found.set(host, isLan)
  return isLan
}
