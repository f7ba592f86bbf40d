/** The live feed: streams of an execution's states, all subscribers of one sharing its reads. */
import type { Execution, Item } from '../domain/model.ts';
import { NotFoundError } from '../domain/user-error.ts';
import { type ExecutionEvents, listenToExecution } from './execution-events.ts';
import { ExecutionHub, type FeedClock, type FeedTimes } from './execution-hub.ts';
import type { ExecutionReader, ExecutionUpdate } from './execution-reader.ts';

/** Items that changed in a range of revisions, newest first. */
export interface ChangedItems {
  readonly items: readonly Item[];
  /** Whether there are, or may be, more than these. */
  readonly truncated: boolean;
}

/** What a stream starts from. */
export interface FeedRequest {
  readonly projectId: string;
  readonly executionId: string;
  /** The revision that the client has; null when it has none. */
  readonly afterRevision: number | null;
}

export interface ExecutionFeed {
  /**
   * A stream of states, each newer than the one before.
   *
   * First the present state, unless `afterRevision` is it; a revision above the present one counts as none. Ends
   * after a final state. Throws NotFoundError, before there is a stream, for an id that the project may not see.
   */
  open(request: FeedRequest): Promise<ExecutionReader>;
  /** What changed between an update and the one before it; read once for all streams that ask for the same. */
  changedItems(update: ExecutionUpdate): Promise<ChangedItems>;
  /** Executions that are watched at the moment. */
  watched(): number;
  /** Ends every stream; resolves when no read is under way. May be repeated. */
  stop(): Promise<void>;
}

export interface FeedParts {
  readonly events: ExecutionEvents;
  readonly readExecution: (projectId: string, executionId: string) => Promise<Execution | undefined>;
  readonly readChanges: (execution: Execution, since: number) => Promise<ChangedItems>;
  readonly onReadError: (error: unknown, executionId: string) => void;
  readonly clock: FeedClock;
  readonly times: FeedTimes;
}

/** Makes the feed of one process. */
export function createExecutionFeed(parts: FeedParts): ExecutionFeed {
  const hubs = new Map<string, ExecutionHub>();
  const changes = new WeakMap<Execution, Map<number, Promise<ChangedItems>>>();
  let stopped: Promise<void> | null = null;

  return {
    async open({ projectId, executionId, afterRevision }) {
      refuseWhenStopped();
      const hub = hubOf(projectId, executionId);
      hub.hold();
      try {
        const present = await hub.current();
        refuseWhenStopped();
        if (present === undefined) throw new NotFoundError('batch execution', executionId);
        return hub.reader(afterRevision === null || afterRevision > present.revision ? 0 : afterRevision);
      } catch (error) {
        hub.release();
        throw error;
      }
    },

    changedItems({ execution, since }) {
      const ranges = changes.get(execution) ?? new Map<number, Promise<ChangedItems>>();
      changes.set(execution, ranges);
      const read = ranges.get(since) ?? parts.readChanges(execution, since);
      ranges.set(since, read);
      // A failed read is not kept: the next stream that asks tries again.
      void read.catch(() => ranges.delete(since));
      return read;
    },

    watched: () => hubs.size,

    stop() {
      stopped ??= Promise.all([...hubs.values()].map((hub) => hub.close())).then(() => undefined);
      return stopped;
    },
  };

  function refuseWhenStopped(): void {
    if (stopped !== null) throw new Error('The feed has stopped.');
  }

  // A hub reads as its project may: another project's readers never share it, and find nothing under its id.
  function hubOf(projectId: string, executionId: string): ExecutionHub {
    const key = `${projectId} ${executionId}`;
    const known = hubs.get(key);
    if (known !== undefined) return known;
    const hub = new ExecutionHub({
      read: () => parts.readExecution(projectId, executionId),
      listen: (onRevision) => listenToExecution(parts.events, executionId, onRevision),
      onReadError: (error) => parts.onReadError(error, executionId),
      onClosed: () => hubs.delete(key),
      clock: parts.clock,
      times: parts.times,
    });
    hubs.set(key, hub);
    return hub;
  }
}
