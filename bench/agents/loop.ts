/** Never yields and never ends: only its thread can be ended. */
import type { AgentModule } from 'batchyard/agent';

export default {
  description: 'Loops until its thread is ended.',
  run: () => {
    for (;;);
  },
} satisfies AgentModule;
