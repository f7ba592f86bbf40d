/**
 * An item in a lane's hands, and the moves that a lane makes with it.
 *
 * What it needs for a while is a field of it and no entry of a map that items pass through by the thousand. V8 makes
 * another table for a map whenever the present one is full of what was deleted, and the old one keeps all that it had and
 * points to the next. Once one of them has come into the old generation, every later one and all that was ever in them
 * outlive each collection of the young one, and so does all that hangs on an item (measured: 2.7 KB an item, and a heap
 * that grew to four times what was alive).
 */
import type { ItemError } from '../domain/item-error.ts';
import type { ItemStatus } from '../domain/states.ts';
import type { Call } from './attempt.ts';
import type { ClaimedItem, FailureRow, ItemInput, ItemMove, ResultRow } from './ports.ts';

export interface LaneItem {
  readonly ordinal: number;
  /** The status that the database has, as far as flushed. */
  recorded: ItemStatus;
  /** The tier that the database has. */
  recordedTier: number;
  tier: number;
  /** Calls in this tier and round, the present one included. */
  attempt: number;
  /** Of these, the failed ones that count against the retry limit. */
  charged: number;
  deaths: number;
  startedAt: Date | null;
  /** When its present attempt started; null while none has here. */
  calledAt: Date | null;
  /** From when it was loaded to its start. */
  input: ItemInput | null;
  /** Whether it is in the lane's claim, as the lane's intake knows. */
  isHeld: boolean;
  /** Whether it waits for its start. */
  waits: boolean;
  /** Whether its start must be committed before its agent is called. */
  afterDeath: boolean;
  /** Its place among those that a slot works with; null: none does. */
  place: number | null;
  /** The call of its agent, until its outcome is recorded. */
  call: Call | null;
  /** Whether its agent is being called and nothing says so yet; see `UnsaidStarts`. */
  startIsUnsaid: boolean;
  /** What its next flush writes of it; null while nothing waits for one. */
  staged: Staged | null;
}

/** A claimed item as a lane holds it. */
export function toLaneItem(claimed: ClaimedItem): LaneItem {
  const { ordinal, status, tier, attempt, charged, deaths, startedAt } = claimed;
  return {
    ordinal,
    recorded: status,
    recordedTier: tier,
    tier,
    attempt,
    charged,
    deaths,
    startedAt,
    calledAt: null,
    input: null,
    isHeld: false,
    waits: false,
    afterDeath: false,
    place: null,
    call: null,
    startIsUnsaid: false,
    staged: null,
  };
}

/** A move; what the database has of the item is said again when it is written. */
export type Move = ItemMove & { was: ItemStatus; wasTier: number };

/** What waits to be written of an item: its last move, and the rows that it and those before it append. */
export interface Staged {
  readonly item: LaneItem;
  move: Move;
  /** Whether this is more than a start, and so worth a flush of its own. */
  outcome: boolean;
  results: readonly ResultRow[];
  failures: readonly FailureRow[];
}

/** What some moves say besides. */
type MoveFacts = Partial<Pick<Move, 'runAfter' | 'endedAt' | 'error' | 'flawed'>>;

function moveTo(
  to: ItemStatus,
  { ordinal, recorded: was, recordedTier: wasTier, tier, attempt, charged, deaths, startedAt }: LaneItem,
  { runAfter = null, endedAt = null, error = null, flawed = false }: MoveFacts = {},
): Move {
  return { ordinal, was, wasTier, to, tier, attempt, charged, deaths, runAfter, startedAt, endedAt, error, flawed };
}

/** Its agent is being called. */
export const toRunning = (item: LaneItem): Move => moveTo('RUNNING', item);

/** It has the result of its last tier. */
export const toSucceeded = (item: LaneItem, at: Date, flawed: boolean): Move =>
  moveTo('SUCCEEDED', item, { endedAt: at, flawed });

/** It has failed for good in this round. */
export const toFailed = (item: LaneItem, at: Date, error: ItemError): Move =>
  moveTo('FAILED', item, { endedAt: at, error });

/** It waits for its next attempt, holding no slot. */
export const toRetrying = (item: LaneItem, runAfter: Date, error: ItemError): Move =>
  moveTo('RETRYING', item, { runAfter, error });

/** It was cancelled while it ran. */
export const toCancelled = (item: LaneItem, at: Date): Move => moveTo('CANCELLED', item, { endedAt: at });

/** The execution's deadline passed while it ran. */
export const toExpired = (item: LaneItem, at: Date): Move => moveTo('EXPIRED', item, { endedAt: at });

/** Its node stops: it goes back to the pool, and the attempt is not charged. */
export const toReturned = (item: LaneItem): Move => moveTo('QUEUED', item);
