/**
 * Checks results in threads of their own, where a check that takes too long is ended.
 *
 * A schema is a user's program: `allOf` twice the same reference, ten levels deep, is a thousand checks. So it never
 * runs in the thread that serves everyone, and rules that took too long are not tried again for a while: results that
 * come meanwhile fail in a way that another attempt may mend.
 */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import workerpool from 'workerpool';
import {
  type CheckAnswer,
  type CheckedParts,
  miss,
  OUTPUT_UNCHECKED,
  type OutputChecker,
  type OutputMisses,
  type SchemaProblem,
} from '../../domain/output-rules.ts';
import type { OutputRules } from '../../domain/tier-output.ts';

const THREADS = 2;
const HEAP_MB = 512;
/** What a call may take beside its check: the start of a thread, on a machine with too much to do. */
const SLACK_MS = 60_000;
/** How long rules are not tried again whose check was ended: it would take the threads from all others. */
const BARRED_MS = 10_000;

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
  const pool = workerpool.pool(fileURLToPath(import.meta.resolve('../../thread.js')), {
    ...{ workerType: 'thread', maxWorkers: THREADS, workerTerminateTimeout: 0 },
    workerThreadOpts: {
      workerData: { program: import.meta.resolve('./check-worker.ts') },
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    },
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
      try {
        return (await call<readonly SchemaProblem[]>('problems', [JSON.stringify(schema)])) ?? [];
      } catch (error) {
        return [{ path: '', message: `cannot be used: ${messageOf(error)}` }];
      }
    },
    async misses(rules: OutputRules, { data, artifacts }: CheckedParts): Promise<OutputMisses> {
      const { key, text } = textOf(rules);
      for (const [old, until] of barred) if (until <= performance.now()) barred.delete(old);
      if (barred.has(key)) return unchecked(OUTPUT_UNCHECKED, 'a check against these rules has just taken too long');
      // What no rule is about need not be copied over.
      const parts: CheckedParts = {
        data: rules.outputSchema === undefined ? 'null' : data,
        artifacts: rules.artifacts === undefined ? null : artifacts,
      };
      const bar = (): void => void barred.set(key, performance.now() + BARRED_MS);
      try {
        const answer =
          (await call<CheckAnswer>('misses', [key, null, parts])) ??
          (await call<CheckAnswer>('misses', [key, text, parts]));
        if (answer?.late === true) bar();
        return answer?.misses ?? unchecked(OUTPUT_UNCHECKED, 'no thread knew the rules');
      } catch (error) {
        // The thread is gone: what its check took too much of is the check's fault, anything else is not.
        const message = messageOf(error);
        if (!message.includes('memory limit')) return unchecked(OUTPUT_UNCHECKED, message);
        bar();
        return unchecked('output_check_failed', 'cannot be checked: it takes too much memory');
      }
    },
    stop: async () => {
      await pool.terminate(true);
    },
  };
}

const unchecked = (code: string, reason: string): OutputMisses => ({ fieldErrors: [miss('', code, reason)], total: 1 });

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
