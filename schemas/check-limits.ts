/** Bounds of checking releases for what cannot be installed, and of what a release says about it; the rest is in limits.ts. */

/** Packages of a release that became uninstallable, named in its block for each architecture: 16 take less than a kilobyte. */
export const VERDICT_NAMES_MAX = 16
/** Architectures that a release has verdicts of. Debian has nine, Debian Ports as many more. */
export const VERDICT_ARCHITECTURES_MAX = 64
/** Index files of a release, in bytes, that are checked in the main thread: a thousand packages, some 30 ms. */
export const CHECK_INLINE_BYTES_MAX = 2 ** 20
/** A check that nobody asked about for so many milliseconds is forgotten: one of Debian 12 holds 0.3 GB. */
export const CHECK_IDLE_MS = 600_000
/** A check that goes on from release to release begins anew once so many times its packages have come. */
export const CHECK_GROWTH_MAX = 2
