/**
 * Calls that were told to stop, by a timeout or an abort, and have not: each keeps its slot until it ends.
 *
 * They are told of only after a while, since most stop soon. What is noted here outlives the run of a lane, as the
 * slots do: after a cancel and a retry the new run starts with what the old one left.
 */
import type { EngineParts, HeldLane, Overdue } from './ports.ts';

/** How long a call may take to stop before it is told of, in ms. */
const PATIENCE_MS = 2_000;

export class OverdueCalls {
  readonly #lanes = new Map<string, Set<{ readonly since: Date }>>();

  /** Notes a call that was told to stop; to be called when it has. */
  began(lane: Pick<HeldLane, 'executionId' | 'no'>, since: Date): () => void {
    const key = keyOf(lane);
    const calls = this.#lanes.get(key) ?? new Set();
    this.#lanes.set(key, calls);
    const call = { since };
    calls.add(call);
    return () => {
      calls.delete(call);
      if (calls.size === 0 && this.#lanes.get(key) === calls) this.#lanes.delete(key);
    };
  }

  /** The calls of a lane that have been overdue for a while; null when there are none. */
  of(lane: Pick<HeldLane, 'executionId' | 'no'>, now: Date): Overdue | null {
    const late = [...(this.#lanes.get(keyOf(lane)) ?? [])].filter(
      ({ since }) => now.getTime() - since.getTime() >= PATIENCE_MS,
    );
    const [first] = late;
    return first === undefined ? null : { calls: late.length, since: first.since };
  }
}

const keyOf = ({ executionId, no }: Pick<HeldLane, 'executionId' | 'no'>): string => `${executionId}/${no}`;

/** Says on an execution what its lanes hold by overdue calls, whenever that has changed. */
export class OverdueNotes {
  readonly #parts: Pick<EngineParts, 'store' | 'clock' | 'publish'>;
  readonly #overdue: OverdueCalls;
  readonly #noted = new Map<number, string>();

  constructor(parts: Pick<EngineParts, 'store' | 'clock' | 'publish'>, overdue: OverdueCalls) {
    this.#parts = parts;
    this.#overdue = overdue;
  }

  /** Looks at a lane; `says` is whether the execution has no other reason to wait. */
  async look(lane: HeldLane, share: number, says: boolean): Promise<void> {
    const overdue = this.#overdue.of(lane, this.#parts.clock.now());
    const state = overdue === null ? '' : `${lane.epoch} ${overdue.calls} of ${share}`;
    if (state === (this.#noted.get(lane.no) ?? '')) return;
    const holdsAll = overdue !== null && overdue.calls >= share;
    const reason = holdsAll
      ? `Calls that were told to stop and have not hold its every slot (${share}); nothing starts until one ends.`
      : null;
    const revision = await this.#parts.store.noteOverdue(lane, overdue, says ? reason : undefined);
    this.#noted.set(lane.no, state);
    if (revision !== null) this.#parts.publish(lane.executionId, revision);
  }
}
