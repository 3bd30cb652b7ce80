/** HTTP mirrors that whoever runs this node named for its channels: a fold of facts, for this node alone. */
import type { Fact, FactOf } from '../schemas/journal.ts'
import type { KeyHex } from '../schemas/units.ts'

export class LocalMirrors {
  readonly #chosen = new Map<KeyHex, FactOf<'mirrors.chosen'>>()

  /** Facts of other kinds change nothing. */
  note(fact: Fact): void {
    if (fact.type === 'mirrors.chosen') this.#chosen.set(fact.key, fact)
    else if (fact.type === 'channel.moved') this.#move(fact)
  }

  of(key: KeyHex): readonly string[] {
    return this.#chosen.get(key)?.urls ?? []
  }

  /** The fewest facts that fold to the same. */
  get facts(): readonly FactOf<'mirrors.chosen'>[] {
    return [...this.#chosen.values()]
  }

  clear(): void {
    this.#chosen.clear()
  }

  /** The files of a channel stay where they are when it passes to other signers. */
  #move({ key, successor }: FactOf<'channel.moved'>): void {
    const chosen = this.#chosen.get(key)
    if (chosen !== undefined && !this.#chosen.has(successor)) this.#chosen.set(successor, { ...chosen, key: successor })
  }
}
