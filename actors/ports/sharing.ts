/**
 * Keeps actors/link-policy.ts in force: looks at link and clock, counts the month's traffic, holds the two rate limits.
 *
 * Whoever sends or fetches asks here first and says afterwards how much it was. The policy is computed anew when its time is over,
 * when the config changes, and when a budget is spent; what it forbids ends at once. The logs of channels are not subject to it:
 * they are small, and a follower that does not hear of a release is the worse one for it.
 */
import { asFreshetError, FreshetError } from '../../schemas/errors.ts'
import type { SourceKind } from '../../schemas/fetch-report.ts'
import type { NodeConfig } from '../../schemas/node-config.ts'
import { isLanAddress } from '../../protocols/lan-address.ts'
import { RateLimit } from '../../protocols/rate-limit.ts'
import type { UsageRecord } from '../../store/usage-record.ts'
import { linkPolicy, NO_LINK_FACTS } from '../link-policy.ts'
import type { LinkFacts, LinkPolicy, MonthlyTraffic } from '../link-policy.ts'

export interface SharingOptions {
  readonly config: NodeConfig
  readonly usage: UsageRecord
  /** Null: nothing is sent or fetched, so the link is of no interest. */
  readonly readFacts: (() => Promise<LinkFacts>) | null
  readonly now: () => number
  readonly log: (level: 'info' | 'warn', message: string) => void
}

/** Bytes of files, by who they went to and came from. */
export type Traffic = Readonly<Record<SourceKind, { readonly sentBytes: number; readonly fetchedBytes: number }>>

/** What `freshet status` says of it. */
export interface SharingStatus extends Omit<LinkPolicy, 'untilMs'> {
  readonly link: LinkFacts
  readonly month: MonthlyTraffic & { readonly name: string }
}

export class Sharing {
  /** For all peers together. */
  readonly upload = new RateLimit(null)
  readonly download = new RateLimit(null)
  readonly #options: SharingOptions
  readonly #traffic = {
    lan: { sentBytes: 0, fetchedBytes: 0 },
    peer: { sentBytes: 0, fetchedBytes: 0 },
    mirror: { sentBytes: 0, fetchedBytes: 0 },
  }
  #config: NodeConfig
  #facts: LinkFacts = NO_LINK_FACTS
  #policy: LinkPolicy
  /** Aborted when the policy no longer lets this node fetch. */
  #fetching = new AbortController()
  #timer: NodeJS.Timeout | null = null
  #minute = Number.NaN
  #monthName = ''
  #closed = false

  private constructor(options: SharingOptions) {
    this.#options = options
    this.#config = options.config
    this.#policy = this.#compute()
  }

  /** The link has been looked at when it resolves: what costs money must not be used before that is known. */
  static async open(options: SharingOptions): Promise<Sharing> {
    const sharing = new Sharing(options)
    await sharing.#look()
    return sharing
  }

  get status(): SharingStatus {
    const { untilMs: _, ...policy } = this.#policy
    const name = monthOf(this.#options.now())
    return { ...policy, link: this.#facts, month: { name, ...this.#options.usage.of(name) } }
  }

  /** Since it was opened. */
  get traffic(): Traffic {
    return structuredClone(this.#traffic)
  }

  configure(config: NodeConfig): void {
    this.#config = config
    this.#apply()
  }

  /** @param host the address that the peer's packets come from; null: not known. */
  maySend(host: string | null): boolean {
    const { shareWith } = this.#policy
    return shareWith === 'all' || (shareWith === 'lan' && host !== null && isLanAddress(host))
  }

  /** Aborted, with FETCH_OFF, when fetching is over; another one stands here once it may begin again. */
  get fetching(): AbortSignal {
    return this.#fetching.signal
  }

  /** Bytes of files that went to or came from a peer or mirror. Those of the local network cost nobody anything. */
  count(host: string | null, sentBytes: number, fetchedBytes: number, from: 'peer' | 'mirror' = 'peer'): void {
    const isNear = host !== null && isLanAddress(host)
    const traffic = this.#traffic[isNear && from === 'peer' ? 'lan' : from]
    traffic.sentBytes += sentBytes
    traffic.fetchedBytes += fetchedBytes
    if (isNear) return
    const { usage } = this.#options
    const name = this.#month()
    const before = usage.of(name)
    usage.add(name, sentBytes, fetchedBytes)
    const after = usage.of(name)
    const spends = (budget: number | null, from: number, to: number): boolean =>
      budget !== null && from < budget && to >= budget
    if (
      spends(this.#config['monthly-upload'], before.sentBytes, after.sentBytes) ||
      spends(this.#config['monthly-download'], before.fetchedBytes, after.fetchedBytes)
    ) {
      this.#apply()
    }
  }

  /** Asked for every block: months begin with a minute. */
  #month(): string {
    const nowMs = this.#options.now()
    const minute = Math.floor(nowMs / 60_000)
    if (minute !== this.#minute) [this.#minute, this.#monthName] = [minute, monthOf(nowMs)]
    return this.#monthName
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    await this.#options.usage.close()
  }

  async #look(): Promise<void> {
    const { readFacts, log } = this.#options
    try {
      if (readFacts !== null) this.#facts = await readFacts()
    } catch (error) {
      log('warn', `the state of the link cannot be read: ${asFreshetError(error).message}`)
    }
    this.#apply()
  }

  #compute(): LinkPolicy {
    const { usage, now } = this.#options
    const nowMs = now()
    const traffic = usage.of(monthOf(nowMs))
    return linkPolicy({ config: this.#config, facts: this.#facts, traffic, nowMs, msOfDay: msOfDay(nowMs) })
  }

  #apply(): void {
    if (this.#closed) return
    const policy = this.#compute()
    this.#policy = policy
    this.upload.setRate(policy.uploadBytesPerSecond, performance.now())
    this.download.setRate(policy.downloadBytesPerSecond, performance.now())
    if (!policy.fetch) this.#fetching.abort(fetchOff(policy))
    else if (this.#fetching.signal.aborted) this.#fetching = new AbortController()
    if (this.#timer !== null) clearTimeout(this.#timer)
    const waitMs = Math.max(policy.untilMs - this.#options.now(), 0)
    this.#timer = setTimeout(() => void this.#look(), waitMs).unref() // never rejects
  }
}

function fetchOff({ reasons }: LinkPolicy): FreshetError {
  const forbidding = reasons.filter(({ fetch }) => !fetch)
  const because = forbidding.map((reason) => `${reason.setting}: ${reason.because}`).join('; ')
  return new FreshetError('FETCH_OFF', `nothing is fetched at the moment (${because})`)
}

/** In local time, as bills are. */
function monthOf(nowMs: number): string {
  const date = new Date(nowMs)
  return `${String(date.getFullYear()).padStart(4, '0')}-${String(date.getMonth() + 1).padStart(2, '0')}`
}

function msOfDay(nowMs: number): number {
  const date = new Date(nowMs)
  return ((date.getHours() * 60 + date.getMinutes()) * 60 + date.getSeconds()) * 1000 + date.getMilliseconds()
}
