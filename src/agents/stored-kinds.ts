/** The kinds of agents that projects store: how a config is checked, and what runs it. */
import type { ZodType } from 'zod';
import type { AgentRun } from '../domain/agent-context.ts';
import type { AgentKind, StoredAgentKind } from '../domain/model.ts';
import { HttpAgentConfig } from './http/config.ts';
import { makeHttpRun } from './http/run.ts';
import type { StoredAgentDeps } from './stored-agent.ts';

interface StoredKind {
  readonly schema: ZodType;
  /** The run of a config as it is stored: checked, and with its defaults. Throws when it is not (any more). */
  readonly makeRun: (config: unknown, deps: StoredAgentDeps) => AgentRun;
}

const KINDS: { readonly [kind in StoredAgentKind]?: StoredKind } = {
  HTTP: { schema: HttpAgentConfig, makeRun: (config, deps) => makeHttpRun(HttpAgentConfig.parse(config), deps) },
};

/** The kind with its schema and code; null for one that is no config but a file. */
export const storedKind = (kind: AgentKind): StoredKind | null =>
  kind === 'HTTP' || kind === 'CHAT' ? (KINDS[kind] ?? null) : null;
