/** A plain HTTP server in a process of its own: the files of one folder, whole. */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import { basename, join } from 'node:path'

const [directory = '.', port = '0'] = process.argv.slice(2)

const server = createServer((request, response) => {
  const path = join(directory, basename(request.url ?? ''))
  stat(path).then(
    ({ size }) => createReadStream(path).pipe(response.writeHead(200, { 'content-length': size })),
    () => response.writeHead(404).end(),
  )
})
server.listen(Number(port), '0.0.0.0', () => console.log('listening'))
