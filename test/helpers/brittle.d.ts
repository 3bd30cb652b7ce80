/** Types of the part of brittle 4 that the tests use; the package ships none. */
declare module 'brittle' {
  export interface Assert {
    is(actual: unknown, expected: unknown, message?: string): void
    not(actual: unknown, expected: unknown, message?: string): void
    alike(actual: unknown, expected: unknown, message?: string): void
    ok(value: unknown, message?: string): void
    absent(value: unknown, message?: string): void
    pass(message?: string): void
    fail(message?: string): void
    comment(...message: unknown[]): void
    plan(count: number): void
    timeout(ms: number): void
    teardown(fn: () => unknown, options?: { order?: number; force?: boolean }): void
    tmp(): Promise<string>
    exception(fn: (() => unknown) | Promise<unknown>, expected?: RegExp, message?: string): Promise<void>
    end(): void
  }
  export interface TestOptions {
    timeout?: number
    skip?: boolean
  }
  export interface Test {
    (title: string, fn: (t: Assert) => unknown): Promise<boolean>
    (title: string, options: TestOptions, fn: (t: Assert) => unknown): Promise<boolean>
    solo: Test
    skip: Test
  }
  const test: Test
  export default test
}
