/** Waits to be aborted, and answers when that was, in ms since the epoch. */
import type { AgentModule } from 'batchyard/agent';

const abortedAt = (signal: AbortSignal): Promise<number> =>
  new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(performance.timeOrigin + performance.now()), { once: true });
  });

export default {
  description: 'Waits to be aborted, and answers when that was.',
  run: async ({ signal }) => ({ abortedAt: await abortedAt(signal) }),
} satisfies AgentModule;
