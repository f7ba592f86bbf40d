/** A pinned agent version that cannot be run any more; as an item's error it is permanent. */
export class AgentUnavailableError extends Error {
  readonly code = 'agent_unavailable';
  readonly category = 'DEPENDENCY';
  readonly transient = false;
  constructor(versionId: string, reason: string) {
    super(`The agent version ${versionId} cannot be run: ${reason}.`);
    this.name = 'AgentUnavailableError';
  }
}
