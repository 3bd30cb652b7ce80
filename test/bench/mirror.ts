/** The plain HTTP mirror that the gateway is compared with: the best server there is here (nginx, else Node's own). */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Bench, has } from './bench.ts'

export interface Mirror {
  readonly url: string
  readonly server: string
  /** Puts a file, or a link to it, below the root. */
  add(path: string, content: Buffer | { readonly linkTo: string }): Promise<void>
}

export async function startMirror(b: Bench): Promise<Mirror> {
  const root = await b.folder()
  const [server, port] = has('nginx')
    ? (['nginx', await nginx(b, root)] as const)
    : (['node:http', await nodeServer(b, root)] as const)
  return {
    url: `http://127.0.0.1:${port}`,
    server,
    async add(path, content) {
      const place = join(root, path)
      await mkdir(dirname(place), { recursive: true })
      if (Buffer.isBuffer(content)) await writeFile(place, content)
      else await symlink(content.linkTo, place)
    },
  }
}

async function nodeServer(b: Bench, root: string): Promise<number> {
  const script = fileURLToPath(import.meta.resolve('./static-mirror.ts'))
  const child = spawn(process.execPath, ['--import', 'tsx', script, root], { stdio: ['ignore', 'pipe', 'inherit'] })
  b.after(async () => child.kill() && (await once(child, 'close')))
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return Number(line)
}

async function nginx(b: Bench, root: string): Promise<number> {
  const port = await freePort()
  const work = await b.folder()
  const configuration = `daemon off; pid ${work}/pid; error_log ${work}/error; worker_processes 1; user root;
    events {} http { access_log off; sendfile on; default_type application/octet-stream;
    server { listen 127.0.0.1:${port}; root ${root}; } }`
  await writeFile(join(work, 'nginx.conf'), configuration)
  const child = spawn('nginx', ['-c', join(work, 'nginx.conf'), '-p', work], { stdio: 'ignore' })
  b.after(async () => child.kill() && (await once(child, 'close')))
  while (
    !(await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    ))
  )
    await pause(10)
  return port
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}
