/**
 * The agents folder, looked at when an agent is asked for.
 *
 * A file is unchanged while the times and sizes of it and of the files that it imports (packages aside) are. One
 * look at a name at a time: who asks after a change never gets an answer from before it.
 */
import pLimit, { type LimitFunction } from 'p-limit';
import { AgentFileError, reasonOf } from './agent-file-error.ts';
import { fingerprint, isAgentName, listAgentFiles } from './agent-files.ts';
import { type Bundle, bundleFile } from './bundle.ts';
import type { Offer } from './registration.ts';

/** A file that cannot be offered. */
export interface FileProblem {
  readonly file: string;
  readonly reason: string;
}

/** The module agents as their files are now. */
export interface ModuleFiles {
  /** What the file of this name is; null when there is none or it is broken. */
  look(name: string): Promise<Offer | null>;
  /** Looks at every file, and forgets those that are gone. */
  lookAtAll(): Promise<void>;
  problems(): readonly FileProblem[];
  /** Looks at nothing more by itself; resolves when no file is being looked at. */
  quiet(): Promise<void>;
}

type Outcome = { readonly offer: Offer } | { readonly problem: FileProblem };

interface Known {
  readonly inputs: readonly string[];
  /** null when it cannot be told from times whether the files change again. */
  readonly fingerprint: string | null;
  /** null when the file could not even be bundled. */
  readonly contentHash: string | null;
  readonly outcome: Outcome;
  /** When an unchanged file is examined again all the same, by `performance.now()`; null: never. */
  readonly againAt: number | null;
}

// A file that changed this shortly before it was read may have changed once more within the same tick of its clock.
const UNSETTLED_MS = 2_000;

/** Until a file that only ran out of time is tried again: the machine may have been busy. */
const AGAIN_MS = 30_000;
/** Files looked at together: each takes a thread for a moment. */
const LOOKS_AT_ONCE = 2;

/**
 * Makes the view of a folder. `register` stores a bundle and answers what it is; it throws AgentFileError for a
 * module that cannot be offered. `onProblem` is told once of each new problem.
 */
export function createModuleFiles(
  folder: string,
  register: (name: string, bundle: Bundle) => Promise<Offer>,
  onProblem: (problem: FileProblem) => void,
): ModuleFiles {
  const known = new Map<string, Known>();
  const queues = new Map<string, LimitFunction>();
  const looking = new Set<Promise<unknown>>();
  let isOver = false;

  async function lookNow(name: string): Promise<Offer | null> {
    const files = (await listAgentFiles(folder)).get(name);
    const before = known.get(name);
    if (files === undefined) {
      known.delete(name);
      return null;
    }
    if (before !== undefined && (await isUnchanged(before, files))) return offerOf(before.outcome);
    const after = await examine(name, files, before);
    known.set(name, after);
    if ('problem' in after.outcome && reasonIn(before) !== after.outcome.problem.reason)
      onProblem(after.outcome.problem);
    return offerOf(after.outcome);
  }

  async function examine(name: string, files: readonly string[], before: Known | undefined): Promise<Known> {
    const [file = '', second] = files;
    let againAt: number | null = null;
    const broken = (error: unknown): Outcome => {
      if (!(error instanceof AgentFileError)) throw error;
      if (error.mayPass) againAt = performance.now() + AGAIN_MS;
      return { problem: { file, reason: reasonOf(error) } };
    };
    let bundle: Bundle;
    try {
      if (!isAgentName(name)) throw new AgentFileError('its name must be letters, digits, "-" and "_", at most 100');
      if (second !== undefined) throw new AgentFileError(`${second} has the same name`);
      bundle = await bundleFile(file);
    } catch (error) {
      return { inputs: [], fingerprint: null, contentHash: null, outcome: broken(error), againAt };
    }
    const { inputs, contentHash } = bundle;
    const { text, changedAtMs } = await fingerprint(inputs);
    const print = Date.now() - changedAtMs > UNSETTLED_MS ? text : null;
    const same = before?.contentHash === contentHash && !isDue(before) ? before.outcome : null;
    const outcome = same ?? (await register(name, bundle).then((offer) => ({ offer }), broken));
    if (same !== null) againAt = before?.againAt ?? null;
    return { inputs, fingerprint: print, contentHash, outcome, againAt };
  }

  function look(name: string): Promise<Offer | null> {
    const queue = queues.get(name) ?? pLimit(1);
    queues.set(name, queue);
    const looked = queue(() => lookNow(name)).finally(() => {
      looking.delete(looked);
      if (queue.activeCount + queue.pendingCount === 0) queues.delete(name);
    });
    looking.add(looked);
    return looked;
  }

  return {
    look,
    async lookAtAll() {
      const names = new Set([...(await listAgentFiles(folder)).keys(), ...known.keys()]);
      await pLimit(LOOKS_AT_ONCE).map(names, (name) => (isOver ? null : look(name)));
    },
    problems: () => [...known.values()].flatMap(({ outcome }) => ('problem' in outcome ? [outcome.problem] : [])),
    async quiet() {
      isOver = true;
      while (looking.size > 0) await Promise.allSettled(looking);
    },
  };
}

async function isUnchanged(known: Known, files: readonly string[]): Promise<boolean> {
  const { inputs, fingerprint: before } = known;
  if (before === null || isDue(known) || files.length !== 1 || !inputs.includes(files[0] ?? '')) return false;
  return (await fingerprint(inputs)).text === before;
}

const isDue = ({ againAt }: Known): boolean => againAt !== null && performance.now() >= againAt;
const offerOf = (outcome: Outcome): Offer | null => ('offer' in outcome ? outcome.offer : null);
const reasonIn = (known: Known | undefined): string | null =>
  known !== undefined && 'problem' in known.outcome ? known.outcome.problem.reason : null;
