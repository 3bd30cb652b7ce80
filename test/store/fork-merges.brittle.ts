/**
 * A fork that takes 50 releases of its upstream, one after the other, and is changed on the way: each result against what it must be,
 * computed anew from nothing but upstream's texts and what was asked for.
 */
import test from 'brittle'
import { compareVersions } from '../../schemas/debian-version.ts'
import type { MergeRule } from '../../schemas/events.ts'
import { editedNames, editFork } from '../../schemas/fork-edit.ts'
import type { ForkEdit } from '../../schemas/fork-edit.ts'
import { MERGE_RULES } from '../../schemas/merge-rule.ts'
import { auditOf, failuresOf } from '../helpers/audit.ts'
import { MAIN, stanza, TestChannel } from '../helpers/channel.ts'
import { curated, TestFork } from '../helpers/fork.ts'

const RELEASES = 50
const SEEDS = [1, 2]
const NAMES = Array.from({ length: 24 }, (_, i) => `p${String(i).padStart(2, '0')}`)

/** What a person knows: versions by name. Nothing of logs, positions or scripts. */
type Versions = Map<string, string>

interface Intent {
  rule: MergeRule
  readonly rules: Map<string, MergeRule>
  readonly own: Versions
  readonly pins: Versions
  readonly removed: Set<string>
}

/** Numerical Recipes' generator: equal seeds give equal stories. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** The rule book, in the order in which a person would read it. */
function mustBe(upstream: Versions, { rule, rules, own, pins, removed }: Intent): string {
  const lines: string[] = []
  const settle = (name: string, theirs: string | undefined): string | undefined => {
    if (pins.has(name)) return pins.get(name)
    if (removed.has(name)) return undefined
    const ours = own.get(name)
    if (ours === undefined || theirs === undefined) return ours ?? theirs
    const by = rules.get(name) ?? rule
    if (by === 'keep-ours') return ours
    return by === 'theirs' || compareVersions(theirs, ours) > 0 ? theirs : ours
  }
  for (const [name, theirs] of upstream) lines.push(stanzaOf(name, settle(name, theirs)))
  const more = [...new Set([...own.keys(), ...pins.keys()])].filter((name) => !upstream.has(name)).sort()
  for (const name of more) lines.push(stanzaOf(name, settle(name, undefined)))
  return lines.join('')
}

function stanzaOf(name: string, version: string | undefined): string {
  return version === undefined ? '' : stanza(name, version)
}

function textOf(versions: Versions): string {
  return [...versions].map(([name, version]) => stanza(name, version)).join('')
}

/** Upstream's next state: some packages go up, one may go down, leave or come. */
function step(before: Versions, random: (below: number) => number): Versions {
  const after = new Map(before)
  for (const name of NAMES) {
    const what = random(12)
    const version = Number.parseInt(after.get(name) ?? '0', 10)
    if (what === 0) after.delete(name)
    else if (what === 1) after.set(name, String(Math.max(1, version - 1)))
    else if (what < 5) after.set(name, String(version + 1))
  }
  return new Map([...after].sort(([a], [b]) => (a < b ? -1 : 1)))
}

for (const seed of SEEDS) {
  test(`fork: ${RELEASES} releases of upstream taken, seed ${seed} → each is what it must be, and no version is lost`, async (t) => {
    const random = generator(seed)
    const upstream = await TestChannel.create(t, 'upstream')
    const states: Versions[] = [step(new Map(NAMES.map((name) => [name, '3'])), random)]
    await upstream.publish({ [MAIN]: textOf(states[0] as Versions) })
    const fork = await TestFork.create(t, upstream)
    const intent: Intent = { rule: 'keep-ours', rules: new Map(), own: new Map(), pins: new Map(), removed: new Set() }
    const wrong: string[] = []
    let [overruled, returned] = [0, 0]
    let lost = new Set<string>()

    for (let number = 1; number <= RELEASES; number++) {
      const state = states.at(-1) as Versions
      let changes = await fork.changes()
      for (const edit of await editsOf(number, state)) {
        const has = new Map(editedNames(edit).flatMap((name) => hasOf(state, name)))
        changes = editFork(changes, edit, has)
      }
      const { decisions } = await fork.publish(number, changes)
      const rebuilt = (await fork.rebuilt(t, number))[MAIN]
      if (rebuilt !== mustBe(state, intent)) wrong.push(`release ${number}`)

      const known = await fork.changes()
      for (const [name, version] of intent.own) {
        if (!known.own.some((of) => of.name === name && of.version === version))
          wrong.push(`${name} ${version} is lost`)
        const isThere = rebuilt?.includes(stanza(name, version)) === true
        const decision = decisions.find((of) => of.name === name)
        const isSaid = decision?.taken !== 'ours' && decision?.ours.length !== 0
        if (!isThere && !isSaid) wrong.push(`${name} ${version} left without a word`)
      }
      const gone = new Set(
        decisions.filter(({ taken, ours }) => taken === 'theirs' && ours.length > 0).map(({ name }) => name),
      )
      overruled += gone.size
      returned += [...lost].filter((name) => !gone.has(name) && intent.own.has(name)).length
      lost = gone
      states.push(step(state, random))
      await upstream.publish({ [MAIN]: textOf(states.at(-1) as Versions) })
    }
    t.alike(wrong, [])
    t.alike(failuresOf(await auditOf(t, fork, { upstream })), [], 'and an audit finds each to be what the fork said')
    t.ok(
      overruled > 0 && returned > 0,
      `${overruled} times a package of the fork gave way, ${returned} times one came back`,
    )

    /** One or two things that a person may ask for, noted in `intent` as well. */
    async function editsOf(number: number, state: Versions): Promise<ForkEdit[]> {
      const name = NAMES[random(NAMES.length)] as string
      switch (random(8)) {
        case 0:
        case 1: {
          const version = `${3 + random(8)}+ours${number}`
          intent.pins.delete(name)
          intent.removed.delete(name)
          const edit = state.has(name) || intent.own.has(name) ? 'replace' : 'add'
          intent.own.set(name, version)
          return [{ edit, packages: [curated(stanza(name, version))] }]
        }
        case 2: {
          const past = random(number) + 1
          const version = states[past - 1]?.get(name)
          if (version === undefined) return []
          intent.removed.delete(name)
          intent.pins.set(name, version)
          return [{ edit: 'pin', packages: [await fork.packageOf(past, name, stanza(name, version))] }]
        }
        case 3: {
          if (!state.has(name)) return []
          for (const of of [intent.own, intent.pins, intent.rules]) of.delete(name)
          intent.removed.add(name)
          return [{ edit: 'remove', names: [name] }]
        }
        case 4: {
          for (const of of [intent.own, intent.pins, intent.rules, intent.removed]) of.delete(name)
          return [{ edit: 'reset', names: [name] }]
        }
        case 5: {
          const rule = MERGE_RULES[random(MERGE_RULES.length)] as MergeRule
          intent.rules.set(name, rule)
          return [{ edit: 'rule', names: [name], rule }]
        }
        case 6: {
          intent.rule = MERGE_RULES[random(MERGE_RULES.length)] as MergeRule
          return [{ edit: 'rule', names: [], rule: intent.rule }]
        }
        default:
          return []
      }
    }
  })
}

function hasOf(state: Versions, name: string): [string, ReturnType<typeof curated>[]][] {
  const version = state.get(name)
  return version === undefined ? [] : [[name, [curated(stanza(name, version))]]]
}
