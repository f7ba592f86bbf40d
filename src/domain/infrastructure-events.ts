/** What befell an execution that neither its agents nor its inputs are to blame for. */
import type { DiagnosisFacts } from './diagnosis-facts.ts';

export const INFRASTRUCTURE_EVENT_KINDS = ['NODE_LOST', 'ITEMS_INTERRUPTED', 'WORKER_CRASH', 'CALLS_OVERDUE'] as const;
export type InfrastructureEventKind = (typeof INFRASTRUCTURE_EVENT_KINDS)[number];

/** Something that happened, once or more often. */
export interface InfrastructureEvent {
  readonly kind: InfrastructureEventKind;
  readonly count: number;
  /** When it happened last, or began; null when that is not kept. */
  readonly at: Date | null;
  /** For people. */
  readonly text: string;
}

/** The events that the facts tell of; empty when there were none. */
export function infrastructureEvents(facts: DiagnosisFacts): readonly InfrastructureEvent[] {
  const { takeovers, takenOverAt, overdueCalls, overdueSince, interruptedItems, failures } = facts;
  const crashes = failures.filter(({ code }) => code === 'worker_crash').reduce((sum, { count }) => sum + count, 0);
  const events: InfrastructureEvent[] = [
    {
      ...{ kind: 'NODE_LOST', count: takeovers, at: takenOverAt },
      text: `A process that ran it ended without giving it back, ${takeovers} times; another went on.`,
    },
    {
      ...{ kind: 'ITEMS_INTERRUPTED', count: interruptedItems, at: takenOverAt },
      text: `${interruptedItems} items were running when their process died; their calls were made again.`,
    },
    {
      ...{ kind: 'WORKER_CRASH', count: crashes, at: null },
      text: `${crashes} items were running whenever their process died, and are not run again.`,
    },
    {
      ...{ kind: 'CALLS_OVERDUE', count: overdueCalls, at: overdueSince },
      text: `${overdueCalls} calls were told to stop and have not.`,
    },
  ];
  return events.filter(({ count }) => count > 0);
}
