/** Signed heads between honest peers, and peers that break every rule of it: they are cut off, and nothing is believed. */
import test, { type Assert } from 'brittle'
import { FreshetError } from '../../schemas/errors.ts'
import { bytes } from '../../schemas/codec.ts'
import type { SignedHead } from '../../schemas/evidence.ts'
import { EVIDENCE_PER_PEER_MAX, HEADS_BURST_MAX } from '../../schemas/limits.ts'
import { guardConnection, type GuardedMux } from '../../protocols/guard.ts'
import { headsProtocol } from '../../protocols/head-frames.ts'
import { capabilityOf, type HeadKeeper, type HeadsLink, openHeads } from '../../protocols/heads.ts'
import { frame, protocol } from '../../protocols/protocol.ts'
import { encodeManifest, readManifest, verifyHead } from '../../store/head-evidence.ts'
import { closed, memoryPair, until } from '../helpers/connections.ts'
import { headOf, logOf, manifestOf } from '../helpers/signed-logs.ts'

type Log = Awaited<ReturnType<typeof logOf>>

/** Takes note of what it hears; evidence is whatever begins with `proof`. */
class Notes implements HeadKeeper {
  readonly key: Buffer
  readonly discoveryKey: Buffer
  readonly log: Log
  readonly heads: SignedHead[] = []
  readonly accusations: string[] = []
  held: Buffer[] = []
  gone = 0

  constructor(log: Log) {
    this.log = log
    this.key = log.key
    this.discoveryKey = log.discoveryKey
  }

  manifest(): Buffer | null {
    return encodeManifest(manifestOf(this.log))
  }

  head(): SignedHead | null {
    return this.log.length === 0 ? null : headOf(this.log)
  }

  evidence(): readonly Buffer[] {
    return this.held
  }

  verifier(manifest: Buffer): (head: SignedHead) => boolean {
    const read = readManifest(this.key, manifest)
    return (head) => verifyHead(this.key, read, head)
  }

  heard(_peer: HeadsLink, head: SignedHead): void {
    this.heads.push(head)
  }

  async accuse(file: Buffer): Promise<void> {
    if (!file.toString().startsWith('proof')) throw new FreshetError('EVIDENCE_INVALID', 'it proves nothing')
    this.accusations.push(file.toString())
  }

  left(): void {
    this.gone++
  }
}

interface Ends {
  readonly muxes: readonly [GuardedMux, GuardedMux]
  readonly refusals: FreshetError[]
}

/** The second end is the victim: its refusals are noted. */
async function ends(t: Assert): Promise<Ends> {
  const [left, right] = await memoryPair()
  t.teardown(() => (left.destroy(), right.destroy()))
  const refusals: FreshetError[] = []
  return {
    muxes: [guardConnection(left), guardConnection(right, { onRefused: (error) => refusals.push(error) })],
    refusals,
  }
}

test('heads: two honest peers → each hears the other, and of what is appended the newest', async (t) => {
  const { muxes } = await ends(t)
  const [one, other] = [new Notes(await logOf(t, 'a', 'b')), new Notes(await logOf(t, 'a'))]
  const link = openHeads(muxes[0], one, { pauseMs: 20 })
  const back = openHeads(muxes[1], other, { pauseMs: 20 })
  await until(() => one.heads.length === 1 && other.heads.length === 1)
  t.alike([one.heads[0]?.length, other.heads[0]?.length], [1, 2])
  for (const block of ['c', 'd', 'e']) {
    await one.log.append([Buffer.from(block)])
    link.tell()
  }
  await until(() => other.heads.at(-1)?.length === 5)
  t.ok(other.heads.length <= 4)
  link.tell()
  back.tell()
  one.held = [Buffer.from('proof 1')]
  link.tell()
  link.tell()
  await until(() => other.accusations.length > 0)
  t.alike(other.accusations, ['proof 1'], 'once')
  t.is(one.heads.length, 1, 'nothing is said twice')
})

test('heads: a peer that follows later → is heard then; a channel opened again does not repeat evidence', async (t) => {
  const { muxes } = await ends(t)
  const [one, other] = [new Notes(await logOf(t, 'a', 'b')), new Notes(await logOf(t, 'a'))]
  one.held = [Buffer.from('proof 1')]
  openHeads(muxes[0], one)
  await until(() => one.gone === 1) // refused: nobody was there
  const first = openHeads(muxes[1], other)
  await until(() => other.heads.length === 1 && other.accusations.length === 1)
  first.close()
  await until(() => one.gone === 2)
  openHeads(muxes[1], other)
  await until(() => other.heads.length === 2)
  t.is(other.accusations.length, 1)
})

interface Attack {
  readonly victim: Notes
  readonly mux: GuardedMux
  readonly refusals: readonly FreshetError[]
  readonly send: NonNullable<ReturnType<typeof headsProtocol.open>>['send']
  readonly heard: readonly string[]
  readonly greet: () => void
  readonly introduce: () => void
}

/** A peer that knows the key and keeps no rule. */
async function attack(t: Assert, ...blocks: string[]): Promise<Attack> {
  const { muxes, refusals } = await ends(t)
  const victim = new Notes(await logOf(t, 'a', 'b', ...blocks))
  victim.held = [Buffer.from('proof of the victim')]
  const heard: string[] = []
  openHeads(muxes[1], victim)
  const note = (name: string) => () => void heard.push(name)
  const session = headsProtocol.open(muxes[0], {
    id: victim.discoveryKey,
    on: { hello: note('hello'), evidence: note('evidence'), signers: note('signers'), head: note('head') },
  })
  if (session === null) throw new Error('it did not open')
  const { send } = session
  return {
    victim,
    mux: muxes[1],
    refusals,
    send,
    heard,
    greet: () => void send.hello({ capability: capabilityOf(muxes[0], victim.key, muxes[0].stream.isInitiator) }),
    introduce: () => void send.signers({ manifest: victim.manifest() ?? Buffer.alloc(0) }),
  }
}

async function cutOff(t: Assert, { mux, refusals, victim }: Attack, what: string): Promise<void> {
  await closed(mux.stream)
  t.is(refusals[0]?.code, 'MESSAGE_MALFORMED', `${what}: ${refusals[0]?.message}`)
  t.alike(victim.accusations, [])
}

test('heads: a peer that does not know the key → is told nothing but hello, and cut off', async (t) => {
  for (const capability of [Buffer.alloc(32), null]) {
    const attacker = await attack(t)
    await until(() => attacker.heard.length > 0)
    t.alike(attacker.heard, ['hello'])
    const reflected = capabilityOf(attacker.mux, attacker.victim.key, attacker.mux.stream.isInitiator)
    attacker.send.hello({ capability: capability ?? reflected })
    await cutOff(t, attacker, capability === null ? "the victim's own words" : 'a guess')
    t.alike(attacker.heard, ['hello'])
  }
})

test('heads: frames out of order, or twice → cut off', async (t) => {
  const scripts: Record<string, (attacker: Attack) => void> = {
    'evidence before hello': ({ send }) => send.evidence({ file: Buffer.from('proof') }),
    'signers before hello': ({ introduce }) => introduce(),
    'a head before signers': ({ greet, send, victim }) => (greet(), send.head(headOf(victim.log))),
    'hello twice': ({ greet }) => (greet(), greet()),
    'signers twice': ({ greet, introduce }) => (greet(), introduce(), introduce()),
  }
  for (const [what, run] of Object.entries(scripts)) {
    const attacker = await attack(t)
    run(attacker)
    await cutOff(t, attacker, what)
    t.alike(attacker.victim.heads, [])
  }
})

test('heads: signers of another log, a forged signature, a signature of another head → cut off', async (t) => {
  const scripts: Record<string, (attacker: Attack) => void> = {
    'another manifest': ({ send }) => send.signers({ manifest: Buffer.alloc(100, 1) }),
    'no signature': ({ introduce, send, victim }) => (
      introduce(),
      send.head({ ...headOf(victim.log), signature: Buffer.alloc(0) })
    ),
    'a forged one': ({ introduce, send, victim }) => (
      introduce(),
      send.head({ ...headOf(victim.log), treeHash: Buffer.alloc(32, 9) })
    ),
    'a longer head': ({ introduce, send, victim }) => (introduce(), send.head({ ...headOf(victim.log), length: 99 })),
    'a later fork': ({ introduce, send, victim }) => (introduce(), send.head({ ...headOf(victim.log), fork: 1 })),
  }
  for (const [what, run] of Object.entries(scripts)) {
    const attacker = await attack(t)
    attacker.greet()
    run(attacker)
    await cutOff(t, attacker, what)
    t.alike(attacker.victim.heads, [])
  }
})

test('heads: evidence that proves nothing, and more evidence than there is → cut off', async (t) => {
  const liar = await attack(t)
  liar.greet()
  liar.send.evidence({ file: Buffer.from('he did it') })
  await cutOff(t, liar, 'no proof')
  const chatterer = await attack(t)
  chatterer.greet()
  for (let i = 0; i <= EVIDENCE_PER_PEER_MAX; i++) chatterer.send.evidence({ file: Buffer.from(`proof ${i}`) })
  await closed(chatterer.mux.stream)
  t.is(chatterer.refusals[0]?.code, 'MESSAGE_MALFORMED')
  t.is(chatterer.victim.accusations.length, EVIDENCE_PER_PEER_MAX)
})

test('heads: a flood of good heads → cut off after the burst', async (t) => {
  const attacker = await attack(t)
  attacker.greet()
  attacker.introduce()
  const head = headOf(attacker.victim.log)
  for (let i = 0; i < 10 * HEADS_BURST_MAX; i++) attacker.send.head(head)
  await cutOff(t, attacker, 'a flood')
  t.ok(attacker.victim.heads.length <= HEADS_BURST_MAX + 1, `${attacker.victim.heads.length} were looked at`)
})

test('heads: garbage in every frame → cut off', async (t) => {
  const raw = bytes(100_000)
  const garbage = protocol({
    name: 'freshet/heads',
    version: 1,
    frames: ['hello', 'evidence', 'signers', 'head'].map((name) => frame({ name, body: raw, byteLengthMax: 200_000 })),
  })
  for (const [name, length] of [
    ['hello', 31],
    ['hello', 99_000],
    ['evidence', 99_000],
    ['signers', 50_000],
    ['head', 3],
  ] as const) {
    const { muxes, refusals } = await ends(t)
    const victim = new Notes(await logOf(t, 'a'))
    openHeads(muxes[1], victim)
    const session = garbage.open(muxes[0], {
      id: victim.discoveryKey,
      on: { hello: () => {}, evidence: () => {}, signers: () => {}, head: () => {} },
    })
    session?.send[name]?.(Buffer.alloc(length, 255))
    await closed(muxes[1].stream)
    t.is(refusals[0]?.code, 'MESSAGE_MALFORMED', `${name} of ${length} bytes: ${refusals[0]?.message}`)
  }
})
