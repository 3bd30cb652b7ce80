/** A DHT bootstrap node for a private network: the address that every node of it is given with --bootstrap. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv4 } from 'node:net'
import HyperDHT from 'hyperdht'
import { FreshetError } from '../schemas/errors.ts'
import { isLoopback } from './loopback.ts'

export interface BootstrapNode {
  readonly host: string
  readonly port: number
  destroy(): Promise<void>
}

/**
 * `host` is the IPv4 address that other nodes reach this one at; `port` 0 takes a free one, which only loopback allows.
 * @throws FreshetError ADDRESS_IN_USE, NO_PEERS when it cannot be bound to, USAGE when the address cannot be used.
 */
export async function startBootstrap({ host, port }: { host: string; port: number }): Promise<BootstrapNode> {
  if (!isIPv4(host) || host === '0.0.0.0') {
    throw new FreshetError('USAGE', `a bootstrap node needs the IPv4 address that others reach it at, not ${host}`)
  }
  const loopback = isLoopback(host)
  if (port === 0 && !loopback) throw new FreshetError('USAGE', 'a bootstrap node needs a fixed port')
  const bindHost = loopback ? host : '0.0.0.0'
  const boundPort = await freePort(bindHost, port)
  // The first node of a network has nobody to tell it its own address, without which it keeps no announcements: hence
  // `bootstrapper`. On loopback, bind to it: packets that leave by another interface carry an address nobody answers to.
  const dht = HyperDHT.bootstrapper(boundPort, host, { host: bindHost })
  try {
    await dht.fullyBootstrapped()
  } catch (error) {
    await dht.destroy().catch(() => undefined) // the first error is the one that counts
    throw unusable(bindHost, boundPort, error)
  }
  return { host, port: boundPort, destroy: () => dht.destroy() }
}

/** Asked of a plain socket, because a DHT node that could not bind never lets go of the process. 0 takes any port. */
async function freePort(host: string, port: number): Promise<number> {
  const socket = createSocket('udp4')
  try {
    socket.bind(port, host)
    await once(socket, 'listening') // rejects on 'error'
    return socket.address().port
  } catch (error) {
    throw unusable(host, port, error)
  } finally {
    socket.close()
  }
}

function unusable(host: string, port: number, cause: unknown): FreshetError {
  const taken = (cause as NodeJS.ErrnoException | null)?.code === 'EADDRINUSE'
  const what = taken ? 'is taken' : 'cannot be used'
  return new FreshetError(
    taken ? 'ADDRESS_IN_USE' : 'NO_PEERS',
    `UDP port ${port} of ${host} ${what}`,
    { host, port },
    cause,
  )
}
