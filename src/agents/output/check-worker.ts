/** The thread in which results are checked, so that none of them holds up the thread of the service. */
import { createContext, Script } from 'node:vm';
import workerpool from 'workerpool';
import {
  type CheckAnswer,
  type CheckedParts,
  miss,
  type OutputMisses,
  type SchemaProblem,
} from '../../domain/output-rules.ts';
import { compileRules } from './check-rules.ts';
import { schemaProblems } from './schema-compile.ts';

/** Rules whose code is kept; the least recently used goes first. */
const MAX_COMPILED = 100;

const compiled = new Map<string, ReturnType<typeof compileRules>>();

/** Everything that is wrong with a schema, given as JSON text. */
function problems(timeoutMs: number, schema: string): readonly SchemaProblem[] {
  try {
    return within(timeoutMs, () => schemaProblems(JSON.parse(schema)));
  } catch (error) {
    return [{ path: '', message: `cannot be used: ${reasonOf(error, timeoutMs)}` }];
  }
}

/** What a result misses of the rules with this key; null when the rules are not known here and did not come along. */
function misses(timeoutMs: number, key: string, rules: string | null, parts: CheckedParts): CheckAnswer | null {
  try {
    const found = find(timeoutMs, key, rules, parts);
    return found === null ? null : { misses: found, late: false };
  } catch (error) {
    const failed = miss('', 'output_check_failed', `cannot be checked: ${reasonOf(error, timeoutMs)}`);
    return { misses: { fieldErrors: [failed], total: 1 }, late: isLate(error) };
  }
}

function find(timeoutMs: number, key: string, rules: string | null, parts: CheckedParts): OutputMisses | null {
  let check = compiled.get(key);
  if (check === undefined) {
    if (rules === null) return null;
    check = within(timeoutMs, () => compileRules(JSON.parse(rules)));
  }
  compiled.delete(key);
  compiled.set(key, check);
  const [oldest] = compiled.keys();
  if (compiled.size > MAX_COMPILED && oldest !== undefined) compiled.delete(oldest);
  const known = check;
  return within(timeoutMs, () => known(parts));
}

interface Scope {
  job(): void;
}
const scope: Scope = { job: () => undefined };
createContext(scope);
const runJob = new Script('job()');

/** What a job answers; throws ERR_SCRIPT_EXECUTION_TIMEOUT when it does not come to an end. */
function within<T>(timeoutMs: number, job: () => T): T {
  const box: T[] = [];
  scope.job = () => {
    box.push(job());
  };
  runJob.runInContext(scope, { timeout: timeoutMs });
  for (const answer of box) return answer;
  throw new Error('the job has no answer');
}

const isLate = (error: unknown): boolean => Reflect.get(Object(error), 'code') === 'ERR_SCRIPT_EXECUTION_TIMEOUT';

const reasonOf = (error: unknown, timeoutMs: number): string =>
  isLate(error) ? `it takes longer than ${timeoutMs} ms` : error instanceof Error ? error.message : String(error);

workerpool.worker({ problems, misses });
