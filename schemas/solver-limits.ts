/** The bounds of what is installed on a machine (schemas/installed-packages.ts) and of the solver (actors/solver/). Part of limits.ts. */

/** dpkg's status file; one of 3,000 packages has 3 MB. */
export const STATUS_BYTES_MAX = 256 * 1024 * 1024
/** Packages that it may say are installed. */
export const STATUS_PACKAGES_MAX = 200_000
/** Packages one behind the other, each needed by the one before, that are followed greedily; a longer chain is the SAT solver's. */
export const INSTALL_DEPTH_MAX = 1_000
/** Packages of one name that may be chosen from at once: every version of a dozen architectures over hundreds of uploads. */
export const VERSIONS_AT_ONCE_MAX = 4_096
/** Releases that a search over history looks at, the newest ones: one a day for almost three years. */
export const HISTORY_RELEASES_MAX = 1_024
/** Different stanzas that they may have, a kilobyte of memory each. Debian 12 main has 63,440, and gets some 200 with each release. */
export const HISTORY_STANZAS_MAX = 400_000
/** Releases that packages may come from which were never in one: a set that is pieced together from more is nobody's set. */
export const MIXTURE_RELEASES_MAX = 8
/** Pairs of packages of which one satisfies a need of the other, or refuses it, that are worked out. Debian 12 has 0.3 million. */
export const SOLVER_PAIRS_MAX = 32_000_000
/** Conflicts of one question to the SAT solver before it gives up. Those about Debian 12 take fewer than a thousand. */
export const SOLVER_CONFLICTS_MAX = 1_000_000
/** Steps of an explanation that are told. Those about Debian 12 have at most six. */
export const EXPLANATION_STEPS_MAX = 64
