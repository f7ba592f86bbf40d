import { expect, test } from 'vitest';
import type { AgentItem } from '../../src/domain/agent-context.ts';
import { CallSignal } from '../../src/domain/call-signal.ts';
import { CallContext, type ContextParts } from '../../src/engine/call-context.ts';
import { toLaneItem } from '../../src/engine/lane-item.ts';
import type { ItemInput, TakenLane } from '../../src/engine/ports.ts';

function contextOver(stop: CallSignal) {
  const lines: unknown[] = [];
  const taken = { lane: { executionId: 'exec', no: 0, epoch: 1 }, round: 2, spec: { tiers: [{ config: { a: 1 } }] } };
  const logs = { open: (attempt: unknown) => (message: string) => lines.push([attempt, message]) };
  const item = {
    ...toLaneItem({
      ...{ ordinal: 7, status: 'QUEUED', tier: 0, attempt: 0, charged: 0, deaths: 0 },
      startedAt: null,
    }),
    attempt: 3,
  };
  const input = { item: { ordinal: 7 } as AgentItem } as ItemInput;
  const parts = { taken: taken as unknown as TakenLane, keyPrefix: 'exec:2:', logs } as unknown as ContextParts;
  return { context: new CallContext(parts, item, input, null, stop), lines };
}

test('an agent may copy its context, take it apart and wrap it', () => {
  const stop = new CallSignal();
  const { context, lines } = contextOver(stop);
  const { signal, log } = context;
  log('a line');
  expect(lines).toEqual([[{ executionId: 'exec', ordinal: 7, tier: 0, round: 2, attempt: 3 }, 'a line']]);
  const copy = { ...context };
  expect(Object.keys(copy).toSorted()).toEqual(
    [
      ...['item', 'previous', 'userMessage', 'config', 'tier', 'round', 'attempt', 'idempotencyKey'],
      ...['signal', 'log'],
    ].toSorted(),
  );
  expect(copy).toMatchObject({ config: { a: 1 }, idempotencyKey: 'exec:2:7:0', previous: null, userMessage: null });
  for (const other of [copy, Object.create(context), new Proxy(context, {})]) expect(other.signal).toBe(signal);
  stop.abort(new DOMException('Enough.', 'AbortError'));
  expect(signal.aborted).toBe(true);
});
