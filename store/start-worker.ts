/** Starts a worker thread from a file that has the form, source or compiled, which this file has. */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'

const EXTENSION = extname(import.meta.url)

/** @param url of the worker's file, without its extension. */
export function startWorker(url: URL): Worker {
  return new Worker(new URL(`${url.href}${EXTENSION}`), { execArgv: loaderArguments() })
}

/** From source: the loader given to the process (`--import tsx`) registers itself in the main thread only. */
function loaderArguments(): string[] {
  if (EXTENSION !== '.ts') return []
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'))
  return ['--import', `data:text/javascript,import{register}from${loader};register()`]
}
