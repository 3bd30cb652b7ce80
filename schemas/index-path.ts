/** What the path of an index file says: `main/binary-amd64/Packages` is about machines of amd64. */

/** Of an index file that is about no machine in particular: `all`. */
export function architectureOfIndex(path: string): string {
  return /(?:^|\/)binary-([^/]+)\/[^/]*$/.exec(path)?.[1] ?? 'all'
}

/** The kinds of machines that a release is for, ordered; what is for all of them is `all` only where there is nothing else. */
export function architecturesOfIndexes(paths: Iterable<string>): string[] {
  const named = new Set([...paths].map(architectureOfIndex))
  if (named.size > 1) named.delete('all')
  return [...named].sort()
}
