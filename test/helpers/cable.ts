/** Two network namespaces joined by a cable, and nothing else: no route, no name server. They end with the processes that hold them. */
import { execFileSync, spawn } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { Assert } from 'brittle'

const LOOK_AGAIN_MS = 10

/** For each end, the beginning of a command line that runs there. */
export async function cable(t: Assert): Promise<readonly [readonly string[], readonly string[]]> {
  const ends = [await namespace(t), await namespace(t)] as const
  const [here, there] = ends
  run([...enter(here), 'ip', 'link', 'add', 'cable0', 'type', 'veth', 'peer', 'name', 'cable0', 'netns', `${there}`])
  for (const [index, end] of ends.entries()) {
    run([...enter(end), 'ip', 'link', 'set', 'lo', 'up'])
    run([...enter(end), 'ip', 'addr', 'add', `192.168.77.${index + 1}/24`, 'dev', 'cable0'])
    run([...enter(end), 'ip', 'link', 'set', 'cable0', 'up'])
  }
  return [enter(here), enter(there)]
}

/** @returns the process that holds it. */
async function namespace(t: Assert): Promise<number> {
  const holder = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' })
  t.teardown(() => holder.kill('SIGKILL'))
  const pid = holder.pid ?? 0
  const outside = readlinkSync('/proc/self/ns/net')
  while (readlinkSync(`/proc/${pid}/ns/net`) === outside) await pause(LOOK_AGAIN_MS)
  return pid
}

function enter(pid: number): string[] {
  return ['nsenter', `--net=/proc/${pid}/ns/net`, '--']
}

function run([command = '', ...args]: readonly string[]): void {
  execFileSync(command, args)
}
