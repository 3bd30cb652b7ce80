/** Names of channels: unique on one node, a path segment of its gateway, part of a file name. */
import { FreshetError } from './errors.ts'

const CHANNEL_NAME = /^[a-z0-9][a-z0-9+._-]{0,63}$/

export function isChannelName(text: string): boolean {
  return CHANNEL_NAME.test(text)
}

/** @throws FreshetError CHANNEL_NAME_INVALID. */
export function requireChannelName(text: string): string {
  if (isChannelName(text)) return text
  throw new FreshetError('CHANNEL_NAME_INVALID', `${JSON.stringify(text)} cannot be the name of a channel`)
}
