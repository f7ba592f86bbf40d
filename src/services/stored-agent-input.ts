/** Checks what a stored agent is made from, for the call that makes it and for the one that changes it. */
import { z } from 'zod';
import { contentHash } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Actor, StoredAgentKind } from '../domain/model.ts';
import { secretRefs } from '../domain/secret-refs.ts';
import { findSecretNames } from '../store/secrets.ts';
import type { IssueList } from './issue-list.ts';
import { checkSchema } from './output-rules-input.ts';
import { ownJson } from './own-json.ts';
import type { ServiceDeps } from './ports.ts';
import { storableString } from './storable-string.ts';

/** Exactly one kind of config. */
export interface AgentConfigInput {
  readonly http?: unknown;
  readonly chat?: unknown;
}

/** What a version of a stored agent is made from. */
export interface AgentContentInput {
  readonly description?: string | null | undefined;
  /** JSON Schema that every tier's config must fit. */
  readonly configSchema?: unknown;
  readonly config: AgentConfigInput;
}

/** The content of a version, checked; the JSON as text. */
export interface AgentContent {
  readonly kind: StoredAgentKind;
  readonly description: string | null;
  readonly configSchema: string | null;
  readonly config: string;
  readonly contentHash: string;
}

const words = z.object({
  description: storableString(LIMITS.messageLength).nullish(),
  configSchema: ownJson(LIMITS.configBytes).optional(),
});

/** The content of the version that the input asks for; undefined with its problems noted. */
export async function checkAgentContent(
  { db, agents, outputs }: Pick<ServiceDeps, 'db' | 'agents' | 'outputs'>,
  { projectId }: Actor,
  { description, configSchema, config: given }: AgentContentInput,
  issues: IssueList,
): Promise<AgentContent | undefined> {
  const checked = issues.check(words, { description, configSchema }, ['input']);
  const kind: StoredAgentKind = given.http == null ? 'CHAT' : 'HTTP';
  const at = ['input', 'config', kind.toLowerCase()];
  const raw = kind === 'HTTP' ? given.http : given.chat;
  const config = issues.check(agents.configOf(kind), raw, at);
  const schema = configSchema ?? null;
  if (checked !== undefined && schema !== null) {
    await checkSchema({ outputs }, schema, ['input', 'configSchema'], issues);
  }
  for (const { path, schema: inner } of agents.schemasIn(kind, raw)) {
    await checkSchema({ outputs }, inner, [...at, ...path], issues);
  }
  if (checked === undefined || config === undefined) return undefined;
  const refs = secretRefs(Object(config));
  const known = await findSecretNames(db, projectId, [...new Set(refs.map(({ name }) => name))]);
  for (const { path, name } of refs) {
    if (!known.has(name))
      issues.add([...at, ...path], 'not_found', `There is no secret ${JSON.stringify(name.slice(0, 100))}.`);
  }
  const about = checked.description ?? null;
  return {
    kind,
    description: about,
    configSchema: schema === null ? null : JSON.stringify(schema),
    config: JSON.stringify(config),
    contentHash: contentHash({ kind, description: about, configSchema: schema, config }),
  };
}
