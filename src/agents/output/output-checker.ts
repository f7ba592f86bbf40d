/**
 * Checks results in threads of their own, where a check that takes too long is ended.
 *
 * A schema is a user's program: `allOf` twice the same reference, ten levels deep, is a thousand checks. So it never
 * runs in the thread that serves everyone, and rules that once took too long are not tried again for a while.
 */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import workerpool from 'workerpool';
import {
  type CheckedParts,
  miss,
  type OutputChecker,
  type OutputMisses,
  type SchemaProblem,
} from '../../domain/output-rules.ts';
import type { OutputRules } from '../../domain/tier-output.ts';

const THREADS = 2;
const HEAP_MB = 512;
/** What a call may take beside its check: the start of a thread, on a machine with too much to do. */
const SLACK_MS = 60_000;
/** How long rules that did not come to an end are not tried again. */
const BARRED_MS = 60_000;

export interface OutputCheckerOptions {
  /** How long one check may take, in ms. */
  readonly timeoutMs?: number;
}

/** The checker, and how to end its threads; none is started before the first check. */
export interface RunningOutputChecker extends OutputChecker {
  stop(): Promise<void>;
}

/** Makes the checker of a process. */
export function createOutputChecker({ timeoutMs = 5_000 }: OutputCheckerOptions = {}): RunningOutputChecker {
  const pool = workerpool.pool(fileURLToPath(import.meta.resolve('./check-worker.ts')), {
    ...{ workerType: 'thread', maxWorkers: THREADS, workerTerminateTimeout: 0 },
    workerThreadOpts: { resourceLimits: { maxOldGenerationSizeMb: HEAP_MB } },
  });
  const texts = new WeakMap<OutputRules, { readonly key: string; readonly text: string }>();
  const barred = new Map<string, number>();

  async function call<T>(method: string, params: readonly unknown[]): Promise<T | null> {
    return await pool.exec(method, [timeoutMs, ...params]).timeout(timeoutMs + SLACK_MS);
  }

  function textOf(rules: OutputRules): { readonly key: string; readonly text: string } {
    const known = texts.get(rules);
    if (known !== undefined) return known;
    const { outputSchema, artifacts } = rules;
    const text = JSON.stringify({ outputSchema, artifacts });
    const made = { text, key: createHash('sha256').update(text).digest('base64') };
    texts.set(rules, made);
    return made;
  }

  return {
    async schemaProblems(schema) {
      const text = JSON.stringify(schema);
      try {
        return (await call<readonly SchemaProblem[]>('problems', [text])) ?? [];
      } catch (error) {
        return [{ path: '', message: `cannot be used: ${reasonOf(error, timeoutMs)}` }];
      }
    },
    async misses(rules: OutputRules, { data, artifacts }: CheckedParts): Promise<OutputMisses> {
      const { key, text } = textOf(rules);
      const until = barred.get(key) ?? 0;
      if (until > performance.now()) return unchecked('its tier has rules whose check did not come to an end');
      // What no rule is about need not be copied over.
      const parts: CheckedParts = {
        data: rules.outputSchema === undefined ? 'null' : data,
        artifacts: rules.artifacts === undefined ? null : artifacts,
      };
      try {
        const answer =
          (await call<OutputMisses>('misses', [key, null, parts])) ??
          (await call<OutputMisses>('misses', [key, text, parts]));
        return answer ?? unchecked('it was not checked');
      } catch (error) {
        for (const [old, end] of barred) if (end <= performance.now()) barred.delete(old);
        barred.set(key, performance.now() + BARRED_MS);
        return unchecked(`its check failed: ${reasonOf(error, timeoutMs)}`);
      }
    },
    stop: async () => {
      await pool.terminate(true);
    },
  };
}

const unchecked = (reason: string): OutputMisses => ({
  fieldErrors: [miss('', 'output_check_failed', reason)],
  total: 1,
});

const reasonOf = (error: unknown, timeoutMs: number): string =>
  error instanceof workerpool.Promise.TimeoutError ||
  Reflect.get(Object(error), 'code') === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
    ? `it took longer than ${timeoutMs} ms`
    : error instanceof Error
      ? error.message
      : String(error);
