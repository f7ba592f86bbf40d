/** The types of a module agent, for `import type { AgentModule } from 'batchyard/agent'`. Nothing here runs. */
import type { AgentContext } from '../domain/agent-context.ts';
import type { Artifact, FieldError } from '../domain/model.ts';

export type { AgentContext, AgentDocument, AgentItem, AgentRun } from '../domain/agent-context.ts';
export type { ErrorCategory } from '../domain/item-error.ts';
export type { Artifact, FieldError } from '../domain/model.ts';

/** A context whose config is known to have fitted the agent's own schema; `{}` when the tier has none. */
export type ContextWith<Config> = Omit<AgentContext, 'config'> & { readonly config: Config };

/** What a module agent may export by default: its run function alone, or this object. */
export interface AgentModule<Config = unknown> {
  /** One or two sentences for whoever chooses an agent. */
  readonly description?: string;
  /** JSON Schema (2020-12, or draft-07 by its `$schema`) that every tier's config must fit; an absent one counts as `{}`. */
  readonly configSchema?: unknown;
  /** false: the code never blocks its thread, so it may run without one of its own. */
  readonly threaded?: boolean;
  /** Answers the item's data, or an AgentResult. */
  readonly run: (context: ContextWith<Config>) => unknown;
}

/** What a run may answer instead of the bare data, when it has artifacts or flawed fields. */
export interface AgentResult {
  readonly data: unknown;
  readonly fieldErrors?: readonly FieldError[];
  readonly artifacts?: readonly Artifact[];
}
