/** What sysfs and NetworkManager say, in folders and programs of the test: laptops, desktops, mice, and answers that do not come. */
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import type { LinkFacts } from '../../actors/link-policy.ts'
import { readLinkFacts } from '../../actors/ports/link-facts.ts'
import { scratchFolder } from '../helpers/channel.ts'

type Supplies = Readonly<Record<string, Readonly<Record<string, string>>>>

async function powerOf(t: Assert, supplies: Supplies): Promise<Pick<LinkFacts, 'onBattery' | 'batteryPercent'>> {
  const powerSupplies = await scratchFolder(t)
  for (const [name, attributes] of Object.entries(supplies)) {
    await mkdir(join(powerSupplies, name))
    for (const [attribute, value] of Object.entries(attributes)) {
      await writeFile(join(powerSupplies, name, attribute), `${value}\n`)
    }
  }
  const { onBattery, batteryPercent } = await readLinkFacts({ powerSupplies, programs: await scratchFolder(t) })
  return { onBattery, batteryPercent }
}

/** @param programs name → shell script. */
async function meteredBy(t: Assert, programs: Readonly<Record<string, string>>): Promise<boolean | null> {
  const folder = await scratchFolder(t)
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`)
    await chmod(join(folder, name), 0o755)
  }
  return (await readLinkFacts({ powerSupplies: await scratchFolder(t), programs: folder })).metered
}

const battery = (status: string, capacity: string) => ({ type: 'Battery', status, capacity })
const mains = (online: string) => ({ type: 'Mains', online })

test('link facts: power supplies of many machines → on battery or not, and its charge', async (t) => {
  const cases: readonly (readonly [string, Supplies, boolean | null, number | null])[] = [
    ['a desktop', {}, false, null],
    ['a desktop with a charger entry', { AC: mains('1') }, false, null],
    ['a laptop, plugged in', { AC: mains('1'), BAT0: battery('Charging', '80') }, false, 80],
    ['a laptop, unplugged', { AC: mains('0'), BAT0: battery('Discharging', '42') }, true, 42],
    ['plugged in, and drawing more than that', { AC: mains('1'), BAT0: battery('Discharging', '42') }, false, 42],
    ['plugged in by USB-C', { ucsi: { type: 'USB', online: '1' }, BAT0: battery('Not charging', '60') }, false, 60],
    [
      'one port of two',
      { a: { type: 'USB', online: '0' }, b: { type: 'USB_PD', online: '2' }, BAT0: battery('Charging', '7') },
      false,
      7,
    ],
    ['no charger entry at all', { BAT0: battery('Discharging', '5') }, true, 5],
    ['full, unplugged for a moment', { AC: mains('0'), BAT0: battery('Full', '100') }, false, 100],
    ['two batteries', { AC: mains('0'), BAT0: battery('Unknown', '90'), BAT1: battery('Discharging', '31') }, true, 61],
    ['a mouse only', { mouse: { ...battery('Discharging', '3'), scope: 'Device' } }, false, null],
    [
      'a mouse and a battery',
      { mouse: { ...battery('Discharging', '3'), scope: 'Device' }, AC: mains('1'), BAT0: battery('Full', '99') },
      false,
      99,
    ],
    ['a UPS in use', { ups: { type: 'UPS', status: 'Discharging', capacity: '70' } }, true, 70],
    ['no charge told', { BAT0: { type: 'Battery', status: 'Discharging' } }, true, null],
    ['nonsense', { BAT0: battery('Discharging', '-4 apples'), x: { type: '' }, y: {} }, true, null],
    ['more than all', { BAT0: battery('Discharging', '130') }, true, 100],
  ]
  for (const [what, supplies, onBattery, batteryPercent] of cases) {
    t.alike(await powerOf(t, supplies), { onBattery, batteryPercent }, what)
  }
})

test('link facts: no such folder → unknown', async (t) => {
  const powerSupplies = join(await scratchFolder(t), 'missing')
  const facts = await readLinkFacts({ powerSupplies, programs: await scratchFolder(t) })
  t.alike(facts, { onBattery: null, batteryPercent: null, metered: null })
})

test('link facts: what NetworkManager answers → metered or not; a guess counts', async (t) => {
  const answers = { 0: null, 1: true, 2: false, 3: true, 4: false, 9: null } as const
  for (const [value, metered] of Object.entries(answers)) {
    t.is(await meteredBy(t, { busctl: `echo 'u ${value}'` }), metered, `busctl: u ${value}`)
  }
  t.is(await meteredBy(t, { 'dbus-send': "echo '   variant       uint32 1'" }), true, 'where there is no busctl')
  t.is(await meteredBy(t, { busctl: 'exit 1', 'dbus-send': "echo 'variant uint32 2'" }), false, 'where busctl fails')
})

test('link facts: nobody to ask, refusals, babble, an answer that never comes → unknown', async (t) => {
  t.is(await meteredBy(t, {}), null, 'no program')
  t.is(await meteredBy(t, { busctl: 'echo no such service >&2; exit 1' }), null, 'no NetworkManager')
  t.is(await meteredBy(t, { busctl: 'echo banana' }), null, 'babble')
  t.is(await meteredBy(t, { busctl: 'while :; do echo uuuuuuuuuuuuuuuuuuuuuuuuuuuuu; done' }), null, 'endless babble')
  t.is(await meteredBy(t, { busctl: 'while :; do :; done' }), null, 'silence')
})
