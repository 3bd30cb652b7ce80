/**
 * The DNS records of a node on the local network (DNS-SD, RFC 6763, over mDNS, RFC 6762), and what is read of those of others.
 *
 * Pure. All records of a service go out in one packet, and are looked for in one; names are random and not kept between adverts.
 * Addresses in records are for tools that people look with: who reads takes the address that a packet comes from.
 */
import type { DnsPacket, DnsRecord } from 'multicast-dns'
import { LAN_SERVICES_PER_PACKET_MAX, PORT_MAX } from '../../schemas/limits.ts'

/** A node as it is announced. */
export interface LanService {
  /** The first label of its names. */
  readonly label: string
  /** IPv4. */
  readonly host: string
  /** UDP. */
  readonly port: number
  readonly strings: readonly Buffer[]
}

/** A service as a packet names it: nothing of it is checked but its form. */
export interface FoundService {
  readonly port: number
  /** Of its TXT record: anything. */
  readonly strings: unknown
}

const TYPE = '_freshet._udp.local'
/** Seconds that others keep records: RFC 6762, section 10. */
const TTL_S = 4500
const TTL_HOST_S = 120

export const LAN_QUERY: DnsPacket = { questions: [{ name: TYPE, type: 'PTR' }] }

/** The records to answer and announce with. @param isLeaving others are to forget them. */
export function recordsOf({ label, host, port, strings }: LanService, isLeaving = false): DnsPacket {
  const name = `${label}.${TYPE}`
  const target = `${label}.local`
  const ttl = isLeaving ? 0 : TTL_S
  const hostTtl = isLeaving ? 0 : TTL_HOST_S
  return {
    answers: [{ name: TYPE, type: 'PTR', ttl, data: name }],
    additionals: [
      { name, type: 'SRV', ttl: hostTtl, flush: true, data: { port, target } },
      { name, type: 'TXT', ttl, flush: true, data: strings },
      { name: target, type: 'A', ttl: hostTtl, flush: true, data: host },
    ],
  }
}

/** Whether somebody asks for our kind of service, or for this one, and does not know it yet. */
export function asksFor({ questions = [], answers = [] }: DnsPacket, { label }: LanService): boolean {
  const names = [TYPE, `${label}.${TYPE}`, `${label}.local`]
  if (!questions.some(({ name }) => names.includes(name.toLowerCase()))) return false
  return !answers.some(({ type, data, ttl = 0 }) => type === 'PTR' && data === `${label}.${TYPE}` && ttl >= TTL_S / 2)
}

/** The nodes that a packet announces. */
export function servicesIn({ answers = [], additionals = [] }: DnsPacket): FoundService[] {
  const records = [...answers, ...additionals]
  const ofUs = records.filter(({ name, ttl = 0 }) => ttl > 0 && name.toLowerCase().endsWith(`.${TYPE}`))
  const texts = new Map(ofUs.filter(({ type }) => type === 'TXT').map(({ name, data }) => [name, data]))
  return ofUs
    .filter(({ type }) => type === 'SRV')
    .slice(0, LAN_SERVICES_PER_PACKET_MAX)
    .flatMap((record) => {
      const port = portOf(record)
      return port === null ? [] : [{ port, strings: texts.get(record.name) }]
    })
}

function portOf({ data }: DnsRecord): number | null {
  const port = (data as { port?: unknown } | null)?.port
  return typeof port === 'number' && Number.isInteger(port) && port > 0 && port <= PORT_MAX ? port : null
}
