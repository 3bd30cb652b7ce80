/** Types of what protocols/lan/ uses of multicast-dns, which ships none. */

declare module 'multicast-dns' {
  import type { RemoteInfo, Socket } from 'node:dgram'

  export interface DnsQuestion {
    readonly name: string
    readonly type: string
  }

  /** As it is written; of what was read `data` may be anything. */
  export interface DnsRecord {
    readonly name: string
    readonly type: string
    readonly ttl?: number
    /** Whoever keeps records is to drop older ones of this name and type. */
    readonly flush?: boolean
    readonly data: unknown
  }

  export interface DnsPacket {
    readonly questions?: readonly DnsQuestion[]
    readonly answers?: readonly DnsRecord[]
    readonly additionals?: readonly DnsRecord[]
  }

  export interface MulticastDns {
    on(event: 'query' | 'response', listener: (packet: DnsPacket, from: RemoteInfo) => void): this
    on(event: 'ready', listener: () => void): this
    on(event: 'error' | 'warning', listener: (error: Error) => void): this
    query(packet: DnsPacket): void
    respond(packet: DnsPacket, callback?: () => void): void
    destroy(callback?: () => void): void
  }

  export interface MulticastDnsOptions {
    readonly socket: Socket
    readonly port: number
    /** IPv4 address of the interface. */
    readonly interface: string
    /** Address to listen on. */
    readonly bind: string
  }

  export default function multicastDns(options: MulticastDnsOptions): MulticastDns
}
