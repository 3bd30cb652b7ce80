/** A plain HTTP mirror in a process of its own: files of one directory, as any web server gives them, Range and all but nothing else. */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, normalize } from 'node:path'

const [directory = '.'] = process.argv.slice(2)

const server = createServer((request, response) => {
  const path = join(directory, normalize(`/${decodeURIComponent(request.url ?? '')}`))
  stat(path).then(
    (stats) => {
      if (!stats.isFile()) return response.writeHead(404).end()
      const headers = { 'content-length': stats.size, 'last-modified': stats.mtime.toUTCString() }
      response.writeHead(200, headers)
      return createReadStream(path, { highWaterMark: 256 * 1024 }).pipe(response)
    },
    () => response.writeHead(404).end(),
  )
})
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
