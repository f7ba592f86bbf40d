/** What an agent's module exports, checked. */
import type { AgentRun } from '../domain/agent-context.ts';
import { isStorableText, jsonProblemMessage, toJsonText } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import { AgentFileError } from './agent-file-error.ts';

/** An agent as its module describes it. */
export interface AgentDescription {
  readonly description: string | null;
  /** JSON text; null when the agent takes any config. */
  readonly configSchema: string | null;
  readonly threaded: boolean;
}

/** The run function and description in an imported module. Throws AgentFileError when there are none. */
export function readModule(namespace: unknown): AgentDescription & { readonly run: AgentRun } {
  const exported = field(namespace, 'default');
  if (isRun(exported)) return { description: null, configSchema: null, threaded: true, run: exported };
  if (typeof exported !== 'object' || exported === null) {
    throw new AgentFileError('it has no default export that is a function or an object with a run function');
  }
  const run = field(exported, 'run');
  if (!isRun(run)) throw new AgentFileError('its default export has no run function');
  return {
    description: descriptionOf(field(exported, 'description')),
    configSchema: schemaText(field(exported, 'configSchema')),
    threaded: threadedOf(field(exported, 'threaded')),
    // A method may use `this`.
    run: (context) => run.call(exported, context),
  };
}

const isRun = (value: unknown): value is AgentRun => typeof value === 'function';

function descriptionOf(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string' || !isStorableText(value) || value.length > LIMITS.messageLength) {
    throw new AgentFileError(`its description must be a text of at most ${LIMITS.messageLength} characters`);
  }
  return value;
}

function threadedOf(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (typeof value !== 'boolean') throw new AgentFileError('its threaded must be true or false');
  return value;
}

function schemaText(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'object' || Array.isArray(value))
    throw new AgentFileError('its configSchema must be a JSON Schema object');
  const json = toJsonText(value, LIMITS.configBytes, LIMITS.jsonDepth);
  if (!json.ok) throw new AgentFileError(`its configSchema ${jsonProblemMessage(json.problem)}`);
  return json.text;
}

const field = (value: unknown, key: string): unknown =>
  (typeof value === 'object' && value !== null) || typeof value === 'function' ? Reflect.get(value, key) : undefined;
