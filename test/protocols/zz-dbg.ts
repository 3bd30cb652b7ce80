import { startBootstrap } from '../../protocols/bootstrap.ts'
import { openSwarm } from '../../protocols/swarm.ts'
const t0 = performance.now()
const log = (...a: unknown[]) => console.log(Math.round(performance.now() - t0), ...a)
const boot = await startBootstrap({ host: '127.0.0.1', port: 0 })
log('boot', boot.port)
const mk = (n: string) => { const s = openSwarm({ bootstrap: [{ host: boot.host, port: boot.port }], onConnection: (c) => log(n, 'connection', c.remoteKey.slice(0, 8)) }); return s }
const a = mk('a'), b = mk('b')
const topic = Buffer.alloc(32, 1)
for (const [n, s] of [['a', a], ['b', b]] as const) {
  const sw = (s as any)
  s.join(topic).then(() => log(n, 'joined', s.port))
}
setTimeout(async () => { log('closing'); await a.destroy(); await b.destroy(); await boot.destroy(); process.exit(0) }, 8000)
