/** Which addresses and networks reach only this machine. */

/** @param host an IPv4 address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

/** Whether a private network is one of this machine alone. @param bootstrap its nodes; none: the public network. */
export function isLoopbackNetwork(bootstrap: readonly { readonly host: string }[]): boolean {
  return bootstrap.length > 0 && bootstrap.every(({ host }) => isLoopback(host))
}
