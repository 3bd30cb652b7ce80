/** Runs the tape files that are named in one process, and loads them as the modules they are: tape's own runner would `require` them. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import tape from 'tape'

/** Its types leave these out: nothing runs before all files are loaded. */
const { wait, run } = tape as unknown as { readonly wait: () => void; readonly run: () => void }

wait()
for (const file of process.argv.slice(2)) await import(pathToFileURL(resolve(file)).href)
run()
