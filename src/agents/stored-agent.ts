/** What the code of a stored agent is made with, besides its config. */
import type { OutputChecker } from '../domain/output-rules.ts';
import type { Outgoing } from './net/outgoing.ts';

/** The world as a stored agent sees it; a call's own log and signal come with its context. */
export interface StoredAgentDeps {
  /** The value of a secret of the agent's project, as it is now. Throws SecretError, an AUTHENTICATION error. */
  readonly secrets: (name: string) => Promise<string>;
  /** A guarded fetch with a pool of its own; opened once for each version. */
  readonly openFetch: Outgoing['openFetch'];
  readonly now: () => Date;
}

/** The same for an agent that checks answers itself. */
export interface CheckingAgentDeps extends StoredAgentDeps {
  /** Checks answers against schemas, in threads of its own. */
  readonly outputs: Pick<OutputChecker, 'misses'>;
}
