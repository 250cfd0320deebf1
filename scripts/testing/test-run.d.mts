/** Types of test-run.mjs. */

export interface TestEvent {
  readonly name: string;
  readonly file: string | undefined;
  readonly ms: number;
  readonly why?: string;
}

export interface TestRunResult {
  readonly passed: readonly TestEvent[];
  readonly failed: readonly TestEvent[];
  readonly skipped: readonly TestEvent[];
  readonly output: ReadonlyMap<string, string>;
}

export function runTests(options: {
  readonly node: string;
  readonly natsServer: string;
  /** Relative to the root of the clone, or absolute. */
  readonly files: readonly string[];
  readonly concurrency: number;
  readonly testTimeoutMs: number;
  readonly namePattern?: string | undefined;
  readonly signal: AbortSignal;
}): Promise<TestRunResult>;
