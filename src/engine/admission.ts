/** What stands between an item in a lane and its call: the agent's storm, its rate limit, the node's ceiling. */
import type { AgentGate } from './agent-gate.ts';
import type { FairSlots, SlotWait } from './fair-slots.ts';
import { Line } from './line.ts';
import type { Clock } from './ports.ts';

/** What an execution waits for. */
export interface Wait {
  readonly agentName: string;
  readonly until: Date;
}

export interface AdmissionParts {
  readonly executionId: string;
  readonly clock: Clock;
  readonly slots: FairSlots;
  /** The execution's weight as it is now. */
  readonly weight: () => number;
  /** Whether an item may not start (`begins`) or go on here. */
  barred(begins: boolean): boolean;
  /** Called when waiting out a storm begins, goes on, or is over (null). */
  waits(wait: Wait | null): void;
}

export class Admission {
  readonly #parts: AdmissionParts;
  readonly #waits = new Line<() => void>();
  #stormy = false;

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
  }

  /** Lets a call start: at once where nothing stands in its way. false: barred meanwhile. */
  enter(gate: AgentGate, agentName: string, begins: boolean): true | Promise<boolean> {
    const { slots, executionId } = this.#parts;
    if (gate.parkedUntil === null && !gate.isLimited && !this.#stormy && !this.#parts.barred(begins)) {
      const slot = slots.take(executionId, this.#parts.weight);
      if (slot === true) return true;
      return this.#slot(slot, begins);
    }
    return this.#wait(gate, agentName, begins);
  }

  /** Says that an item waits out a storm of this agent, though not here. */
  note(agentName: string, until: Date): void {
    this.#stormy = true;
    this.#parts.waits({ agentName, until });
  }

  /** Gives the node's slot back. */
  leave(): void {
    this.#parts.slots.give(this.#parts.executionId);
  }

  /** Makes everyone who waits ask again whether it is barred. */
  recheck(): void {
    for (const wake of this.#waits.all) wake();
  }

  async #wait(gate: AgentGate, agentName: string, begins: boolean): Promise<boolean> {
    for (let until = gate.parkedUntil; until !== null; until = gate.parkedUntil) {
      if (this.#parts.barred(begins)) return false;
      this.note(agentName, until);
      await this.#sleep(until);
    }
    if (this.#stormy && gate.stormSince === null) {
      this.#stormy = false;
      this.#parts.waits(null);
    }
    const start = this.#parts.barred(begins) ? null : gate.nextStart();
    if (start !== null && !(await this.#unlessBarred(start, begins))) return false;
    if (this.#parts.barred(begins)) return false;
    const slot = this.#parts.slots.take(this.#parts.executionId, this.#parts.weight);
    return slot === true || (await this.#slot(slot, begins));
  }

  async #slot(slot: SlotWait, begins: boolean): Promise<boolean> {
    const granted = await this.#unlessBarred(slot, begins);
    if (!granted || !this.#parts.barred(begins)) return granted;
    this.leave();
    return false;
  }

  /** Waits for what was asked for, and gives up asking once it is barred. */
  async #unlessBarred(wait: SlotWait, begins: boolean): Promise<boolean> {
    const recheck = (): void => {
      if (this.#parts.barred(begins)) wait.cancel();
    };
    const place = this.#waits.join(recheck);
    const granted = await wait.granted;
    this.#waits.leave(place);
    return granted;
  }

  async #sleep(until: Date): Promise<void> {
    let cancel: () => void = () => undefined;
    const passed = new Promise<void>((resolve) => {
      cancel = this.#parts.clock.after(Math.max(until.getTime() - this.#parts.clock.now().getTime(), 1), resolve);
    });
    await this.#orRecheck(passed);
    cancel();
  }

  async #orRecheck(ready: Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const place = this.#waits.join(resolve);
    await Promise.race([ready, promise]);
    this.#waits.leave(place);
  }
}
