/** What the built-in agent `echo` answers, from a thread. */
import type { AgentModule } from 'batchyard/agent';

export default {
  description: 'Answers what it was called with, from a thread.',
  run: ({ item: { dataElementId, filename, mediaType, metadata }, previous, userMessage }) => ({
    ...{ dataElementId, filename, mediaType, metadata, previous, userMessage },
  }),
} satisfies AgentModule;
