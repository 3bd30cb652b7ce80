/** What a node makes of its peers' heads: real logs of one key, and peers that tell whatever they like. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import type Hypercore from 'hypercore'
import { HeadGossip } from '../../actors/ports/head-gossip.ts'
import { decodeEvidence, encodeEvidence } from '../../schemas/evidence.ts'
import { keyHex } from '../../schemas/units.ts'
import { guardConnection, type GuardedMux } from '../../protocols/guard.ts'
import { headsProtocol } from '../../protocols/head-frames.ts'
import { capabilityOf, type HeadsLink } from '../../protocols/heads.ts'
import { EvidenceFiles } from '../../store/evidence-files.ts'
import { judgeEvidence } from '../../store/evidence.ts'
import { scratchFolder } from '../helpers/channel.ts'
import { closed, memoryPair, until } from '../helpers/connections.ts'
import { codeOf } from '../helpers/refusal.ts'
import { replica } from '../helpers/replicas.ts'
import { evidenceOf, headOf, logOf } from '../helpers/signed-logs.ts'

interface Gossiper {
  readonly gossip: HeadGossip
  readonly core: Hypercore
  /** Codes for which the channel was stopped. */
  readonly stops: string[]
  readonly warnings: string[]
  /** Lengths of heads that were news. */
  readonly heard: number[]
  readonly directory: string
}

async function gossiper(t: Assert, core: Hypercore): Promise<Gossiper> {
  const [stops, warnings]: string[][] = [[], []]
  const directory = join(await scratchFolder(t), 'evidence')
  const channel = {
    key: keyHex(core.key),
    name: 'demo',
    contradict: (code: string) => void stops?.push(code),
    log: { core, id: 'id', reopen: async () => {} },
  }
  const evidence = await EvidenceFiles.open(directory)
  const heard: number[] = []
  const gossip = new HeadGossip({
    channel,
    evidence,
    log: (_level, message) => void warnings?.push(message),
    notifier: { heard: (_, length) => void heard.push(length) },
    now: Date.now,
  })
  return { gossip, core, stops: stops ?? [], warnings: warnings ?? [], heard, directory }
}

async function muxes(t: Assert): Promise<[GuardedMux, GuardedMux]> {
  const [left, right] = await memoryPair()
  t.teardown(() => (left.destroy(), right.destroy()))
  return [guardConnection(left), guardConnection(right)]
}

async function introduce(t: Assert, one: Gossiper, other: Gossiper): Promise<void> {
  const [left, right] = await muxes(t)
  one.gossip.link(left)
  other.gossip.link(right)
}

const filesIn = async ({ directory }: Gossiper): Promise<Buffer[]> =>
  Promise.all((await readdir(directory)).map((name) => readFile(join(directory, name))))

test('head gossip: two stories of one length → both stop and keep the same evidence; a third is told', async (t) => {
  const [one, other, third] = (await Promise.all(
    [['a', 'b'], ['a', 'c'], ['a']].map(async (blocks) => gossiper(t, await logOf(t, ...blocks))),
  )) as [Gossiper, Gossiper, Gossiper]
  await introduce(t, one, other)
  await until(() => one.stops.length > 0 && other.stops.length > 0)
  t.alike([one.stops[0], other.stops[0]], ['EQUIVOCATION', 'EQUIVOCATION'])
  const [kept] = await filesIn(one)
  t.alike(await filesIn(other), [kept])
  await introduce(t, other, third)
  await until(() => third.stops.length > 0)
  t.alike(await filesIn(third), [kept], 'although its own log contradicts nothing')
})

test('head gossip: a longer head → remembered, and compared when the log has grown to it', async (t) => {
  const one = await gossiper(t, await logOf(t, 'a'))
  const heads = [headOf(await logOf(t, 'a', 'b', 'x')), headOf(await logOf(t, 'a', 'b', 'c', 'y'))] as const
  const [peer, another] = [{} as HeadsLink, {} as HeadsLink]
  one.gossip.heard(peer, heads[0])
  one.gossip.heard(peer, heads[1]) // of one peer, the newest stands
  one.gossip.heard(another, heads[0])
  one.gossip.left(another)
  for (const block of ['b', 'c']) await one.core.append([Buffer.from(block)])
  await new Promise((resolve) => setImmediate(resolve))
  t.alike(one.stops, [], 'not yet')
  await one.core.append([Buffer.from('d')])
  await until(() => one.stops.length > 0)
  t.alike(one.stops, ['EQUIVOCATION'])
  t.alike(
    judgeEvidence((await filesIn(one))[0] ?? Buffer.alloc(0)).heads.map(({ length }) => length),
    [4, 4],
  )
})

test('head gossip: a longer head → passed on at once, before any of its blocks is here; each hears of it once', async (t) => {
  const [origin, middle, end] = (await Promise.all(
    [['a', 'b', 'c'], ['a'], ['a']].map(async (blocks) => gossiper(t, await logOf(t, ...blocks))),
  )) as [Gossiper, Gossiper, Gossiper]
  await introduce(t, middle, end)
  await introduce(t, origin, middle)
  await until(() => end.heard.length > 0)
  t.alike([middle.heard, end.heard, origin.heard], [[3], [3], []])
  t.alike([middle.core.length, end.core.length], [1, 1], 'nothing replicates here')
  await origin.core.append([Buffer.from('d')])
  await until(() => end.heard.length > 1)
  t.alike([origin.heard, middle.heard, end.heard], [[4], [3, 4], [3, 4]])
})

interface Hostile {
  readonly victim: Gossiper
  readonly mux: GuardedMux
  readonly send: NonNullable<ReturnType<typeof headsProtocol.open>>['send']
}

async function hostile(t: Assert): Promise<Hostile> {
  const victim = await gossiper(t, await logOf(t, 'a', 'b'))
  const [mux, right] = await muxes(t)
  victim.gossip.link(right)
  const nothing = (): void => {}
  const session = headsProtocol.open(mux, {
    id: victim.core.discoveryKey,
    on: { hello: nothing, evidence: nothing, signers: nothing, head: nothing },
  })
  if (session === null) throw new Error('it did not open')
  session.send.hello({ capability: capabilityOf(mux, victim.core.key, mux.stream.isInitiator) })
  return { victim, mux: right, send: session.send }
}

test('head gossip: evidence that does not hold, or of another channel → the peer is cut off, the channel goes on', async (t) => {
  const good = await evidenceOf(await logOf(t, 'a', 'b'), await logOf(t, 'a', 'c'))
  const { heads, ...rest } = decodeEvidence(good)
  const { core } = await replica(t, null)
  await core.append([Buffer.from('a')])
  await core.truncate(0)
  await core.append([Buffer.from('b')])
  const stranger = await evidenceOf(core, core)
  const bad: Record<string, Buffer> = {
    nonsense: Buffer.from('nonsense'),
    'one head': encodeEvidence({ ...rest, heads: heads.slice(0, 1) }),
    'a changed byte': good.map((byte, i) => (i === good.length - 40 ? byte ^ 1 : byte)) as Buffer,
    'of another channel': stranger,
  }
  t.is(judgeEvidence(stranger).code, 'HISTORY_REWRITE')
  for (const [what, file] of Object.entries(bad)) {
    const { victim, mux, send } = await hostile(t)
    send.evidence({ file: Buffer.from(file) })
    await closed(mux.stream)
    t.alike([victim.stops, await filesIn(victim)], [[], []], what)
  }
  const { victim, send } = await hostile(t)
  send.evidence({ file: good })
  await until(() => victim.stops.length > 0)
  t.alike([victim.stops, await filesIn(victim)], [['EQUIVOCATION'], [good]], 'what holds is believed, from whomever')
})

test('head gossip: evidence that cannot be written → the channel stops all the same', async (t) => {
  const victim = await gossiper(t, await logOf(t, 'a', 'b'))
  await rm(victim.directory, { recursive: true })
  await victim.gossip.accuse(await evidenceOf(victim.core, await logOf(t, 'a', 'c')))
  t.alike(victim.stops, ['EQUIVOCATION'])
  t.ok(victim.warnings.some((warning) => warning.includes('could not be kept')))
})

test('head gossip: at start → stops for evidence of before, a log that was rewritten, a record that contradicts it', async (t) => {
  const before = await gossiper(t, await logOf(t, 'a', 'b'))
  await before.gossip.checkOwn(headOf(before.core))
  t.alike(before.stops, [], 'nothing is wrong')
  await before.gossip.checkOwn(headOf(await logOf(t, 'a', 'b', 'c')))
  t.alike(before.stops, [], 'a log that is behind its record only has to catch up')
  await before.gossip.checkOwn(headOf(await logOf(t, 'x')))
  t.alike(before.stops, ['EQUIVOCATION'])
  await before.gossip.checkOwn(null)
  t.alike(before.stops, ['EQUIVOCATION', 'EQUIVOCATION'], 'from the file')

  const log = await logOf(t, 'a', 'b')
  await log.truncate(1)
  const rewritten = await gossiper(t, log)
  await rewritten.gossip.checkOwn(headOf(log))
  t.alike(rewritten.stops, ['HISTORY_REWRITE'])
  t.is((await filesIn(rewritten)).length, 1)

  const rewriting = await gossiper(t, await logOf(t, 'a', 'b'))
  await rewriting.core.truncate(1)
  await until(() => rewriting.stops.length > 0)
  t.alike(rewriting.stops, ['HISTORY_REWRITE'], 'or at once')

  const altered = await gossiper(t, await logOf(t, 'a', 'b'))
  await altered.gossip.checkOwn({ ...headOf(altered.core), treeHash: Buffer.alloc(32, 1) })
  t.alike(altered.stops, ['HISTORY_REWRITE'], 'a record that nobody signed is no evidence, and reason enough')
  t.alike(await filesIn(altered), [])
})

test('evidence files: kept twice → written once; a damaged one → STORE_FAILED names it', async (t) => {
  const directory = join(await scratchFolder(t), 'evidence')
  const files = await EvidenceFiles.open(directory)
  const [log, other] = [await logOf(t, 'a', 'b'), await logOf(t, 'a', 'c')]
  const good = await evidenceOf(log, other)
  await Promise.all([files.keep(good), files.keep(good), files.keep(await evidenceOf(log, await logOf(t, 'a', 'd')))])
  const names = await readdir(directory)
  t.alike(names, [`${keyHex(log.key)}.EQUIVOCATION`])
  t.alike((await EvidenceFiles.open(directory)).of(keyHex(log.key))[0]?.bytes, good, 'the first stays')
  t.is(await codeOf(files.keep(Buffer.from('nonsense'))), 'EVIDENCE_INVALID')
  await writeFile(join(directory, names[0] ?? ''), good.subarray(1))
  t.is(await codeOf(EvidenceFiles.open(directory)), 'STORE_FAILED')
})
