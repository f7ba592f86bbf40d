/** Why a module agent's file cannot be offered, in words for its author. */
export class AgentFileError extends Error {
  /** Whether the same file may be found good at another time, because only time ran out. */
  readonly mayPass: boolean;
  constructor(reason: string, mayPass = false) {
    super(reason);
    this.name = 'AgentFileError';
    this.mayPass = mayPass;
  }
}

/** The reason in any error, with its name where that is not plain `Error`; at most 1,000 characters. */
export function reasonOf(error: unknown): string {
  if (error instanceof AgentFileError) return error.message.slice(0, 1_000);
  if (error instanceof Error) return `${error.name}: ${error.message}`.slice(0, 1_000);
  return String(error).slice(0, 1_000);
}
