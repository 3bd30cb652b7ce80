import test, { type Assert } from 'brittle'
import { spawn } from 'node:child_process'
import { once, setMaxListeners } from 'node:events'
import { chmod, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type ControlClient, connectControl } from '../../protocols/control-client.ts'
import { controlPath } from '../../protocols/control-path.ts'
import { type ControlIo, type ControlServerOptions, serveControl } from '../../protocols/control-server.ts'
import { type ErrorCode, FreshetError } from '../../schemas/errors.ts'

type Operations = ControlServerOptions['operations']

async function home(t: Assert): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'control-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }), { order: 1 })
  return folder
}

async function serve(t: Assert, operations: Operations, onError?: (error: FreshetError) => void): Promise<string> {
  const path = controlPath(await home(t))
  const server = await serveControl({ path, operations, ...(onError === undefined ? {} : { onError }) })
  t.teardown(() => server.close())
  return path
}

async function client(t: Assert, path: string): Promise<ControlClient> {
  const connected = await connectControl(path)
  if (connected === null) throw new Error(`nobody listens on ${path}`)
  t.teardown(() => connected.close())
  return connected
}

async function codeOf(promise: Promise<unknown>): Promise<ErrorCode | null> {
  try {
    await promise
    return null
  } catch (error) {
    return error instanceof FreshetError ? error.code : 'INTERNAL'
  }
}

/** Writes `bytes` as they are and reads until the daemon ends the connection. */
async function raw(path: string, bytes: string | Buffer): Promise<string> {
  const socket = connect(path)
  socket.write(bytes)
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', () => undefined) // being cut off is what some of these expect
  await new Promise((resolve) => socket.once('close', resolve)) // events.once would reject on a reset
  return Buffer.concat(chunks).toString()
}

/** An operation that runs until it is aborted, and what to wait for. */
function endless(): {
  operation: (args: unknown, io: ControlIo) => Promise<never>
  began: Promise<void>
  ended: Promise<unknown>
} {
  let onBegan: (() => void) | undefined
  let onEnded: ((reason: unknown) => void) | undefined
  const began = new Promise<void>((resolve) => (onBegan = resolve))
  const ended = new Promise<unknown>((resolve) => (onEnded = resolve))
  const operation = async (_args: unknown, { signal }: ControlIo): Promise<never> => {
    onBegan?.()
    await once(signal, 'abort')
    onEnded?.(signal.reason)
    throw signal.reason
  }
  return { operation, began, ended }
}

test('control: an operation → its result, its progress and events in order', async (t) => {
  const path = await serve(t, {
    echo: async (args) => args,
    nothing: async () => undefined,
    count: async (args, { progress, event }) => {
      for (let n = 1; n <= Number(args); n += 1) {
        progress({ done: n })
        await event({ n })
      }
      return 'done'
    },
  })
  t.is((await stat(path)).mode & 0o777, 0o600)
  const daemon = await client(t, path)
  t.alike(await daemon.call('echo', { text: 'a\nb', list: [1, null] }), { text: 'a\nb', list: [1, null] })
  t.is(await daemon.call('nothing', null), null)
  const seen: unknown[] = []
  const result = await daemon.call('count', 3, {
    onProgress: (update) => seen.push(update),
    onEvent: (value) => seen.push(value),
  })
  t.is(result, 'done')
  t.alike(seen, [{ done: 1 }, { n: 1 }, { done: 2 }, { n: 2 }, { done: 3 }, { n: 3 }])
  const together = await Promise.all(Array.from({ length: 50 }, async (_, n) => await daemon.call('echo', n)))
  t.alike(
    together,
    Array.from({ length: 50 }, (_, n) => n),
  )
})

test('control: an operation fails → the same code, message and detail; a defect → INTERNAL, and it lives on', async (t) => {
  const errors: FreshetError[] = []
  const operations: Operations = {
    refuse: async () => {
      throw new FreshetError('CHANNEL_UNKNOWN', 'no channel x', { channel: 'x' })
    },
    crash: async () => {
      throw new TypeError('oops')
    },
    crashAtOnce: () => {
      throw new TypeError('oops')
    },
    unsayable: async () => 1n,
    unsayableEvent: async (_args, { event, signal }) => {
      void event(1n)
      await once(signal, 'abort')
    },
    unsayableProgress: async (_args, { progress, signal }) => {
      progress(1n)
      await once(signal, 'abort')
    },
  }
  const daemon = await client(t, await serve(t, operations, (error) => errors.push(error)))
  try {
    await daemon.call('refuse', null)
    t.fail('not refused')
  } catch (error) {
    t.ok(error instanceof FreshetError)
    t.alike((error as FreshetError).detail, { channel: 'x' })
    t.is((error as FreshetError).code, 'CHANNEL_UNKNOWN')
  }
  const defects = ['crash', 'crashAtOnce', 'unsayable', 'unsayableEvent', 'unsayableProgress']
  for (const op of defects) t.is(await codeOf(daemon.call(op, null)), 'INTERNAL', op)
  t.is(errors.length, defects.length)
  for (const op of ['other', 'constructor', '__proto__']) {
    t.is(await codeOf(daemon.call(op, null)), 'REQUEST_REFUSED', op)
  }
})

test('control: malformed and too long lines → a reason, then the end of the connection', async (t) => {
  const { operation, began, ended } = endless()
  const path = await serve(t, { endless: operation, echo: async (args) => args })
  const lines = ['\n', 'hello\n', '{"id":1\n', '[]\n', '{"id":-1,"op":"echo"}\n', '{"op":"echo"}\n', '\0\xff\n']
  for (const line of lines) {
    const reply = JSON.parse(await raw(path, line)) as { id: unknown; error: { code: string } }
    t.is(reply.id, null)
    t.is(reply.error.code, 'MESSAGE_MALFORMED', JSON.stringify(line))
  }
  const long = await raw(path, `{"id":1,"op":"echo","args":"${'x'.repeat(1024 * 1024)}`)
  t.ok(long.includes('longer than'))
  const twice = raw(path, '{"id":1,"op":"endless"}\n{"id":1,"op":"echo"}\n')
  await began
  await ended
  t.ok((await twice).includes('still running'))
  t.is(await (await client(t, path)).call('echo', 1), 1, 'others are served')
})

test('control: arguments beyond the bound → REQUEST_REFUSED before they are sent', async (t) => {
  const daemon = await client(t, await serve(t, { echo: async (args) => args }))
  t.is(await codeOf(daemon.call('echo', 'x'.repeat(1024 * 1024))), 'REQUEST_REFUSED')
  const large = await (
    await client(t, await serve(t, { large: async () => 'x'.repeat(20_000_000) }))
  ).call('large', null)
  t.is((large as string).length, 20_000_000, 'a result may be longer than a request')
})

test('control: the command cancels → the operation is aborted and the call ends', async (t) => {
  const { operation, began, ended } = endless()
  const path = await serve(t, {
    endless: operation,
    deaf: async () => await new Promise(() => undefined),
    echo: async (args) => args,
  })
  const daemon = await client(t, path)
  const controller = new AbortController()
  const call = codeOf(daemon.call('endless', null, { signal: controller.signal }))
  await began
  controller.abort()
  t.is(await call, 'INTERRUPTED')
  const reason = await ended
  t.is(reason instanceof FreshetError && reason.code, 'INTERRUPTED')
  t.is(await codeOf(daemon.call('echo', 1, { signal: controller.signal })), 'INTERRUPTED', 'cancelled before it began')
  const deaf = connect(path)
  deaf.write('{"id":5,"op":"deaf"}\n{"id":5,"cancel":true}\n{"id":9,"cancel":true}\n')
  const [reply] = (await once(deaf, 'data')) as [Buffer]
  t.is(JSON.parse(reply.toString()).error.code, 'INTERRUPTED', 'even where the operation obeys no signal')
  deaf.destroy()
  t.is(await daemon.call('echo', 2), 2)
})

test('control: the command is gone → its operations are aborted', async (t) => {
  for (const leave of ['end', 'destroy'] as const) {
    const { operation, began, ended } = endless()
    const path = await serve(t, { endless: operation })
    const socket: Socket = connect(path)
    socket.write('{"id":1,"op":"endless"}\n')
    await began
    socket[leave]()
    await ended
    t.pass(leave)
  }
})

test('control: a handler of the command throws → its call rejects with that, and the operation ends', async (t) => {
  const { operation, ended } = endless()
  const path = await serve(t, {
    tell: async (args, io) => {
      await io.event(1)
      return await operation(args, io)
    },
  })
  const onEvent = (): never => {
    throw new Error('cannot show this') // brittle lets native errors through
  }
  await t.exception((await client(t, path)).call('tell', null, { onEvent }), /cannot show this/)
  await ended
})

test('control: the command does not read → events wait, then the operation ends', async (t) => {
  let sent = 0
  let failed: ((error: unknown) => void) | undefined
  const failure = new Promise<unknown>((resolve) => (failed = resolve))
  const text = 'x'.repeat(64 * 1024)
  const path = await serve(t, {
    patient: async (_args, { event }) => {
      for (; sent < 1000; sent += 1) await event(text)
    },
    rash: async (_args, { event, signal }) => {
      signal.addEventListener('abort', () => failed?.(signal.reason))
      for (let n = 0; n < 1200; n += 1) event(text).catch(() => undefined) // told by the signal
      await new Promise(() => undefined)
    },
    echo: async (args) => args,
  })
  const deaf = connect(path)
  t.teardown(() => deaf.destroy())
  deaf.write('{"id":1,"op":"patient"}\n')
  await once(deaf, 'readable')
  t.is(await (await client(t, path)).call('echo', 1), 1)
  t.ok(sent < 200, `${sent} events of 64 KiB handed over`)
  deaf.resume()
  const rash = connect(path)
  t.teardown(() => rash.destroy())
  rash.write('{"id":1,"op":"rash"}\n')
  const error = await failure
  t.is(error instanceof FreshetError && error.code, 'PEER_NOT_READING')
})

test('control: too many operations or connections → refused, the others go on', async (t) => {
  const { operation } = endless()
  const path = await serve(t, { endless: operation, echo: async (args) => args })
  const daemon = await client(t, path)
  const controller = new AbortController()
  setMaxListeners(64, controller.signal)
  const running = Array.from(
    { length: 64 },
    async () => await codeOf(daemon.call('endless', null, { signal: controller.signal })),
  )
  t.is(await codeOf(daemon.call('echo', 1)), 'REQUEST_REFUSED')
  controller.abort()
  t.alike(new Set(await Promise.all(running)), new Set(['INTERRUPTED']))
  t.is(await daemon.call('echo', 1), 1)
  const sockets: Socket[] = []
  t.teardown(() => sockets.forEach((socket) => socket.destroy()))
  for (let n = 0; n < 63; n += 1) {
    const socket = connect(path)
    sockets.push(socket)
    await once(socket, 'connect')
  }
  t.is(await raw(path, '{"id":1,"op":"echo"}\n'), '')
  t.is(await daemon.call('echo', 1), 1)
})

test('control: the daemon dies in the middle → DAEMON_UNREACHABLE; its stale socket → replaced', async (t) => {
  const path = controlPath(await home(t))
  const source = `
    import { serveControl } from ${JSON.stringify(new URL('../../protocols/control-server.ts', import.meta.url).href)}
    await serveControl({ path: ${JSON.stringify(path)}, operations: { endless: async (_args, { event }) => {
      await event('began')
      await new Promise(() => undefined)
    } } })
    console.log('ready')`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  await once(child.stdout, 'data')
  const daemon = await client(t, path)
  const code = await codeOf(daemon.call('endless', null, { onEvent: () => child.kill('SIGKILL') }))
  t.is(code, 'DAEMON_UNREACHABLE')
  t.is(await codeOf(daemon.call('endless', null)), 'DAEMON_UNREACHABLE')
  await exited
  t.ok((await stat(path)).isSocket(), 'the file is still there')
  t.is(await connectControl(path), null)
  const next = await serveControl({ path, operations: { echo: async (args) => args } })
  t.teardown(() => next.close())
  t.is(await (await client(t, path)).call('echo', 1), 1)
})

test('control: a live daemon has the socket → STORE_LOCKED; closed → nobody, and the file is gone', async (t) => {
  const path = controlPath(await home(t))
  const server = await serveControl({ path, operations: {} })
  t.is(await codeOf(serveControl({ path, operations: {} })), 'STORE_LOCKED')
  const daemon = await client(t, path)
  await server.close()
  t.is(await codeOf(daemon.call('echo', 1)), 'DAEMON_UNREACHABLE')
  t.is(await connectControl(path), null)
  await t.exception(stat(path), /ENOENT/)
})

test('control: something else in the way, or a folder open to others → refused, and left alone', async (t) => {
  const folder = await home(t)
  const path = controlPath(folder)
  await writeFile(path, 'mine')
  t.is(await codeOf(serveControl({ path, operations: {} })), 'REQUEST_REFUSED')
  t.is((await stat(path)).size, 4)
  t.is(await connectControl(path), null, 'no daemon can be there')
  const open = join(folder, 'open')
  await mkdir(open)
  await chmod(open, 0o777)
  t.is(await codeOf(serveControl({ path: controlPath(open), operations: {} })), 'REQUEST_REFUSED')
  t.is(await codeOf(serveControl({ path: join(open, 'a.sock'), operations: {} })), 'REQUEST_REFUSED')
  t.is(await codeOf(serveControl({ path: join(folder, 'x'.repeat(120)), operations: {} })), 'REQUEST_REFUSED')
  await symlink(await home(t), join(folder, 'link'))
  const linked = await serveControl({ path: controlPath(join(folder, 'link')), operations: {} })
  await linked.close()
  t.pass('a home may be a symbolic link')
})

test('control: a home whose path is too long → served in a folder of this user alone', async (t) => {
  const deep = join(await home(t), 'd'.repeat(120))
  const runtimeFolder = process.env['XDG_RUNTIME_DIR']
  t.teardown(() => {
    if (runtimeFolder === undefined) delete process.env['XDG_RUNTIME_DIR']
    else process.env['XDG_RUNTIME_DIR'] = runtimeFolder
  })
  process.env['XDG_RUNTIME_DIR'] = await home(t)
  const path = controlPath(deep)
  t.absent(path.startsWith(deep))
  const server = await serveControl({ path, operations: { echo: async (args) => args } })
  t.teardown(() => server.close())
  t.is((await stat(dirname(path))).mode & 0o777, 0o700)
  t.is(await (await client(t, path)).call('echo', 1), 1)
})
