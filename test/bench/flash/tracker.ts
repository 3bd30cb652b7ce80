/** A tracker of one torrent (BEP 3, BEP 23): tells every peer all others. One line of output for each announcement. */
import { createServer } from 'node:http'
import { bencode } from './torrent.ts'

const INTERVAL_S = 60
const [port = '0'] = process.argv.slice(2)
const peers = new Map<string, Buffer>()

const server = createServer((request, response) => {
  const query = new URLSearchParams((request.url ?? '').replace(/^[^?]*\?/, ''))
  const address = (request.socket.remoteAddress ?? '').replace('::ffff:', '')
  const portNumber = Number(query.get('port'))
  if (query.get('event') === 'stopped') peers.delete(address)
  else peers.set(address, Buffer.from([...address.split('.').map(Number), portNumber >> 8, portNumber & 255]))
  const others = [...peers].filter(([other]) => other !== address).map(([, compact]) => compact)
  response.end(bencode({ interval: INTERVAL_S, 'min interval': INTERVAL_S, peers: Buffer.concat(others) }))
  console.log(`announced ${address}`)
})
server.listen(Number(port), '0.0.0.0', () => console.log('listening'))
