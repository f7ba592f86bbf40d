/**
 * Looks at an execution whenever a revision of it is published, and holds each state against the one before.
 *
 * A state is read in one statement, so it is one snapshot; revisions published while one is read are looked at
 * together. What is checked: counts add up to the total and equal a recount; never more items run than may; a state
 * of the same revision is the same in everything, and the revision only rises; no revision is published twice or
 * before it is committed; an item leaves a final state by a retry or a resubmit only, and an execution by a new round.
 */
import { sql } from 'kysely';
import { type ExecutionStatus, type ItemStatus, isFinalExecution, isOpenItem } from '../../src/domain/states.ts';
import type { Db } from '../../src/store/database.ts';

const STATUSES = ['queued', 'running', 'retrying', 'succeeded', 'failed', 'cancelled', 'expired'] as const;
type Counts = Readonly<Record<(typeof STATUSES)[number] | 'total', number>>;

type ItemState = readonly [ordinal: number, status: ItemStatus, retries: number, tier: number, revision: number];
interface State extends Counts {
  readonly status: ExecutionStatus;
  readonly revision: number;
  readonly round: number;
  readonly sealed: boolean;
  /** Whether its round does items again, whatever became of them. */
  readonly resubmits: boolean;
  readonly items: readonly ItemState[] | null;
}

export class RevisionWatch {
  readonly #db: Db;
  readonly #mayRun: () => number;
  readonly #published = new Map<string, Set<number>>();
  #id: string | null = null;
  #last: State | null = null;
  #looking: Promise<void> = Promise.resolve();
  #due = false;
  #looks = 0;
  readonly #problems: string[] = [];

  constructor(db: Db, mayRun: () => number) {
    this.#db = db;
    this.#mayRun = mayRun;
  }

  /** States that were looked at. */
  get looks(): number {
    return this.#looks;
  }

  /** A revision of an execution was published, of this one or another. */
  published(id: string, revision: number): void {
    const published = this.#published.get(id) ?? new Set();
    this.#published.set(id, published);
    if (published.has(revision)) this.#problems.push(`revision ${revision} was published twice`);
    published.add(revision);
    if (id === this.#id) this.#lookSoon();
  }

  /** This is the execution to look at. */
  follow(id: string): void {
    this.#id = id;
    this.#lookSoon();
  }

  /** Looks once more; throws what was wrong at any look so far. */
  async check(): Promise<void> {
    this.#lookSoon();
    await this.#looking;
    if (this.#problems.length > 0) throw new Error(this.#problems.slice(0, 5).join('; '));
  }

  #lookSoon(): void {
    if (this.#due) return;
    this.#due = true;
    this.#looking = this.#looking
      .then(() => this.#look())
      .catch((error: unknown) => void this.#problems.push(String(error)));
  }

  async #look(): Promise<void> {
    this.#due = false;
    if (this.#id === null) return;
    const published = Math.max(0, ...(this.#published.get(this.#id) ?? []));
    const state = await readState(this.#db, this.#id);
    if (state === null) return;
    this.#looks += 1;
    if (published > state.revision) this.#wrong(state, `${published} was published before it was there`);
    this.#recount(state);
    if (this.#last !== null) this.#compare(this.#last, state);
    this.#last = state;
  }

  #recount(state: State): void {
    const items = state.items ?? [];
    const sum = STATUSES.reduce((total, status) => total + state[status], 0);
    if (sum !== state.total) this.#wrong(state, `the counts add up to ${sum}, not to ${state.total}`);
    if (items.length !== state.total) this.#wrong(state, `${items.length} items of ${state.total}`);
    for (const name of STATUSES) {
      const real = items.filter(([, status]) => status === name.toUpperCase()).length;
      if (real !== state[name]) this.#wrong(state, `${name} is ${state[name]} and in truth ${real}`);
    }
    if (state.running > this.#mayRun()) this.#wrong(state, `${state.running} run where ${this.#mayRun()} may`);
  }

  #compare(before: State, now: State): void {
    if (now.revision < before.revision) this.#wrong(now, `it was at revision ${before.revision} before`);
    if (now.revision === before.revision && JSON.stringify(now) !== JSON.stringify(before))
      this.#wrong(now, `it changed within its revision: ${JSON.stringify(before)} to ${JSON.stringify(now)}`);
    if (before.sealed && now.total !== before.total) this.#wrong(now, 'its total changed after it was sealed');
    if (isFinalExecution(before.status) && now.status !== before.status && now.round === before.round)
      this.#wrong(now, `it left ${before.status} without a new round`);
    const states = new Map((now.items ?? []).map((item) => [item[0], item]));
    for (const [ordinal, status, retries, tier, revision] of before.items ?? []) {
      const [, newStatus, newRetries, newTier, newRevision] = states.get(ordinal) ?? [];
      if (newStatus === undefined) this.#wrong(now, `item ${ordinal} is gone`);
      else if (now.resubmits) continue;
      else if (!isOpenItem(status) && newRetries === retries && newRevision !== revision)
        this.#wrong(now, `item ${ordinal} left ${status} for ${newStatus} without a retry`);
      else if (newRetries === retries && (newTier ?? 0) < tier) this.#wrong(now, `item ${ordinal} went back a tier`);
    }
  }

  #wrong({ revision, status }: State, problem: string): void {
    this.#problems.push(`at revision ${revision} (${status}): ${problem}`);
  }
}

/** An execution with all its items in one snapshot; null when there is none. */
async function readState(db: Db, id: string): Promise<State | null> {
  const { rows } = await sql<State>`
    select x.status, x.revision, x.round, x.sealed_at is not null as sealed, x.total,
      exists (select 1 from execution_round r where r.execution_id = x.id and r.round = x.round
        and json_extract_path(r.selection, 'fromTier') is not null) as resubmits,
      x.queued, x.running, x.retrying, x.succeeded, x.failed, x.cancelled, x.expired,
      (select json_agg(json_build_array(i.ordinal, i.status, i.retry_count, i.tier, i.revision) order by i.ordinal)
        from every_item i where i.execution_id = x.id) as items
    from batch_execution x where x.id = ${id}`.execute(db);
  return rows[0] ?? null;
}
