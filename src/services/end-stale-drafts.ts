/** Ends drafts that nobody adds to any more. */
import { LIMITS } from '../domain/limits.ts';
import { cancelStaleDrafts } from '../store/drafts.ts';
import type { ServiceDeps } from './ports.ts';

const HOUR_MS = 3_600_000;
const EVERY_MS = 60_000;

type Deps = Pick<ServiceDeps, 'db' | 'now' | 'publish' | 'engine'>;

/** When a draft ends unless something is added to it, or it is submitted. */
export const draftEndsAt = (lastActivityAt: Date): Date =>
  new Date(lastActivityAt.getTime() + LIMITS.draftHours * HOUR_MS);

/** Cancels the drafts that nobody has touched for `LIMITS.draftHours`, of all projects; how many there were. */
export async function endStaleDrafts({ db, now, publish, engine }: Deps): Promise<number> {
  const at = now();
  const reason = `It was not submitted, and nothing was added to it for ${LIMITS.draftHours} hours.`;
  const ended = await cancelStaleDrafts(db, new Date(at.getTime() - LIMITS.draftHours * HOUR_MS), reason, at);
  for (const { id, revision } of ended) {
    publish(id, revision);
    engine.wake(id);
  }
  return ended.length;
}

/** Looks for stale drafts once a minute until it is stopped; `stop` resolves when the last look is over. */
export function createDraftSweep(
  deps: Deps,
  onError: (error: unknown) => void,
): { start(): void; stop(): Promise<void> } {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<unknown> = Promise.resolve();
  return {
    start: () => {
      timer ??= setInterval(() => {
        running = running.then(() => endStaleDrafts(deps)).catch(onError);
      }, EVERY_MS).unref();
    },
    stop: async () => {
      clearInterval(timer);
      await running;
    },
  };
}
