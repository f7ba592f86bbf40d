/** Thrown values on their way between threads, where classes and getters do not survive. */
import { classifyThrown, type ItemError } from '../../domain/item-error.ts';

/** A thrown value as it is classified, with its name. Only texts, numbers and booleans: it can always be sent. */
export interface Thrown extends ItemError {
  readonly name: string | null;
}

/** What is sent of a thrown value. It is read where it was thrown: a getter of it may do anything. */
export function packThrown(thrown: unknown): Thrown {
  return { ...classifyThrown(thrown), name: nameOf(thrown) };
}

/** An error that is classified just as the value that was thrown. */
export function unpackThrown(thrown: Thrown): Error {
  const { category, code, message, declared, details, retryAfterMs, name, trace, component, stage, recovery } = thrown;
  return Object.assign(new Error(message), {
    // Its own stack would tell of this thread.
    ...{ category, code, component, stage, recovery, usage: thrown.usage, stack: trace ?? '' },
    ...(name !== null && { name }),
    ...(declared !== null && { transient: declared }),
    ...(details !== null && { details: parsed(details) }),
    ...(retryAfterMs !== null && { retryAfterMs }),
  });
}

function nameOf(thrown: unknown): string | null {
  try {
    return thrown instanceof Error && typeof thrown.name === 'string' ? thrown.name.slice(0, 200) : null;
  } catch {
    return null;
  }
}

const parsed = (json: string): unknown => JSON.parse(json);
