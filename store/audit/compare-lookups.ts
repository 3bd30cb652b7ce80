/** Entry by entry: where the published look-up index says something else than the one that the log gives. */
import type Hypercore from 'hypercore'
import { AUDIT_ENTRIES_MAX } from '../../schemas/limits.ts'
import { BeeReader } from '../bee-reader.ts'
import type { BeeEntry } from '../bee-reader.ts'
import { describeIndexKey } from '../package-index.ts'
import type { Findings } from './findings.ts'

const FIRST = Buffer.alloc(0)
const LAST = Buffer.of(0xff)

/** Both as of `release`. @throws FreshetError NO_PEERS. */
export async function compareLookups(
  published: { readonly core: Hypercore; readonly length: number },
  rebuilt: Hypercore,
  release: number,
  findings: Findings,
): Promise<void> {
  const theirs = new BeeReader(published.core, published.length).range(FIRST, LAST)
  const ours = new BeeReader(rebuilt, rebuilt.length).range(FIRST, LAST)
  let found = 0
  try {
    let [their, our] = [await theirs.next(), await ours.next()]
    while ((their.done !== true || our.done !== true) && found < AUDIT_ENTRIES_MAX) {
      const order = their.done === true ? 1 : our.done === true ? -1 : Buffer.compare(their.value.key, our.value.key)
      const entry = (order <= 0 ? their.value : our.value) as BeeEntry
      const isSame = order === 0 && (their.value as BeeEntry).value.equals((our.value as BeeEntry).value)
      if (!isSame) {
        const what = order < 0 ? 'should not be there' : order > 0 ? 'is missing' : 'is another one than the log gives'
        const message = `the look-up entry for ${describeIndexKey(entry.key)} ${what}`
        findings.fault('LOOKUP_ENTRY_WRONG', message, { release, key: entry.key.toString('hex') })
        found++
      }
      if (order <= 0) their = await theirs.next()
      if (order >= 0) our = await ours.next()
    }
  } catch (error) {
    findings.refused('LOOKUP_ENTRY_WRONG', { release }, error) // a tree that cannot be walked through
  }
}
