#!/usr/bin/env node
/** The `freshet` executable: one command line, parsed and run. Commands: tools/commands/. */
import { runCommandLine } from './commands/program.ts'

console.log = console.error // Hypercore reports a conflict with it; standard output is for results alone
process.exitCode = await runCommandLine(process.argv)
