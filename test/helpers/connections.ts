/** Pairs of encrypted streams without a DHT: in memory, and over a TCP socket. */
import { once } from 'node:events'
import net from 'node:net'
import NoiseSecretStream from '@hyperswarm/secret-stream'

export type StreamPair = readonly [NoiseSecretStream, NoiseSecretStream]

export async function memoryPair(): Promise<StreamPair> {
  const pair = [new NoiseSecretStream(true), new NoiseSecretStream(false)] as const
  const [a, b] = pair
  a.rawStream.pipe(b.rawStream).pipe(a.rawStream)
  return opened(pair)
}

export async function tcpPair(): Promise<StreamPair> {
  const listener = net.createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const client = net.connect((listener.address() as net.AddressInfo).port, '127.0.0.1')
  const [server] = (await once(listener, 'connection')) as [net.Socket]
  listener.close()
  client.setNoDelay(true)
  server.setNoDelay(true)
  return opened([new NoiseSecretStream(true, client), new NoiseSecretStream(false, server)])
}

async function opened(pair: StreamPair): Promise<StreamPair> {
  for (const stream of pair) stream.on('error', () => undefined) // the tests look at 'close' and at the guard
  await Promise.all(pair.map((stream) => stream.opened))
  return pair
}

export function closed(stream: NoiseSecretStream): Promise<void> {
  return stream.destroyed ? Promise.resolve() : new Promise((resolve) => stream.once('close', () => resolve()))
}

/** Resolves when `condition` holds; looks again after every turn of the event loop. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}
