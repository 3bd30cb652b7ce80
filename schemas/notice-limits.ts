/** The bounds of subscriptions, of notifications, and of their delivery. Part of limits.ts. */

const KIB = 1024

// Subscriptions and notifications (schemas/subscription.ts, actors/notification-policy.ts)
/** Events of this process kept for those who begin to listen late. */
export const NOTIFICATIONS_MAX = 256
/** Globs of one filter: each is tried on every package that changed. */
export const FILTER_GLOBS_MAX = 256
/** One glob: as long as a package name may be. */
export const GLOB_BYTES_MAX = 200
/** Sections of one filter. Debian has 60, in four areas. */
export const FILTER_SECTIONS_MAX = 256
/** A Section, with its area: `non-free-firmware/admin` has 23 bytes. */
export const SECTION_BYTES_MAX = 64
/** Architectures of one filter. Debian has some 30, ports included. */
export const FILTER_ARCHITECTURES_MAX = 64
/** Name of an architecture. */
export const ARCHITECTURE_BYTES_MAX = 64
/** Status files whose content is kept in memory, for as long as they do not change: one for each subscription that names its own. */
export const STATUS_FILES_MAX = 8
/** Stanzas that a notification reads and judges; beyond that it says what release is there. A new suite of Debian main on both sides. */
export const NOTIFIED_STANZAS_MAX = 150_000
/** Changes that one notification lists, some 100 bytes each in the journal; one with more says how many. */
export const NOTIFIED_CHANGES_MAX = 2_000
/** Notifications that the journal keeps for `freshet notifications` and for targets that cannot be reached. */
export const NOTIFICATIONS_KEPT_MAX = 1_024
/** Changes that the kept notifications list together; beyond that the oldest notification goes first. */
export const NOTIFIED_CHANGES_KEPT_MAX = 20_000
/** Releases that a follower who was away is told of one by one; older ones are told of as one. */
export const RELEASES_SINGLY_MAX = 256
/** Notifications of one channel in an hour; a publisher that makes more releases is told of in fewer words. */
export const NOTIFICATIONS_PER_HOUR_MAX = 512
/** Tries to read what a release changed; then it is told without. With pauses up to RETRY_PAUSE_MS_MAX: about two minutes. */
export const DESCRIBE_TRIES_MAX = 10

// Delivery of notifications (actors/ports/deliver.ts)
/** Hooks, webhooks and the desktop, together. */
export const TARGETS_MAX = 16
/** Path of a hook, URL of a webhook. */
export const TARGET_PLACE_BYTES_MAX = 1024
/** A hook that is still running is killed after this, with all that it started, in milliseconds. */
export const HOOK_MS_MAX = 30_000
/** Bytes of a hook's standard error that are kept for the log; all else of its output is dropped. */
export const HOOK_OUTPUT_BYTES_MAX = 4 * KIB
/** Time for a webhook to answer, in milliseconds. */
export const WEBHOOK_MS_MAX = 15_000
/** Bytes of a notification as JSON; beyond that it goes without its list of changes. Receivers commonly take 1 MB. */
export const DELIVERED_BYTES_MAX = 1024 * KIB
/** Pause between two deliveries to one hook or webhook, in milliseconds: at most ten a second. */
export const DELIVERY_PAUSE_MS = 100
/** The same for the desktop: a person reads them. */
export const DESKTOP_PAUSE_MS = 5_000
/** Pause after a delivery that failed, in milliseconds: doubled each time. */
export const DELIVERY_RETRY_MS_MIN = 5_000
/** Longest pause between two tries: what an outage lasts longer for the target, in milliseconds. */
export const DELIVERY_RETRY_MS_MAX = 900_000
/** A notification that could not be delivered for so long is given up, in milliseconds: three days, a weekend. */
export const DELIVERY_GIVE_UP_MS = 3 * 24 * 3_600_000
