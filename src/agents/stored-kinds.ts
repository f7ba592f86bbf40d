/** The kinds of agents that projects store: how a config is checked, and what runs it. */
import type { ZodType } from 'zod';
import type { AgentRun } from '../domain/agent-context.ts';
import type { AgentKind, StoredAgentKind } from '../domain/model.ts';
import { answerSchemas, ChatAgentConfig, messageProblem } from './chat/config.ts';
import { HttpAgentConfig } from './http/config.ts';
import { makeHttpRun } from './http/run.ts';
import type { CheckingAgentDeps } from './stored-agent.ts';

interface StoredKind {
  readonly schema: ZodType;
  /** Why a tier's userMessage cannot be used; absent where every text can. */
  readonly messageProblem?: (text: string) => string | null;
  /** The JSON Schemas in a config, into which `schema` does not look: that takes a thread. */
  readonly schemasIn?: (config: unknown) => readonly { path: readonly string[]; schema: unknown }[];
  /** The run of a config as it is stored: checked, and with its defaults. Rejects when it is not (any more). */
  readonly makeRun: (config: unknown, deps: CheckingAgentDeps) => Promise<AgentRun>;
}

const KINDS: Readonly<Record<StoredAgentKind, StoredKind>> = {
  HTTP: { schema: HttpAgentConfig, makeRun: async (config, deps) => makeHttpRun(HttpAgentConfig.parse(config), deps) },
  CHAT: {
    schema: ChatAgentConfig,
    messageProblem,
    schemasIn: answerSchemas,
    makeRun: async (config, deps) => {
      // The client takes as long to load as much of the service; who has no chat agent does without.
      const { makeChatRun } = await import('./chat/run.ts');
      return makeChatRun(ChatAgentConfig.parse(config), deps);
    },
  },
};

/** The kind with its schema and code; null for one that is no config but a file. */
export const storedKind = (kind: AgentKind): StoredKind | null =>
  kind === 'HTTP' || kind === 'CHAT' ? KINDS[kind] : null;
