import { type ExecutionResult, GraphQLError } from 'graphql';
import { expect, test } from 'vitest';
import { LiveStreams } from '../../src/server/live-streams.ts';

const reason = new GraphQLError('over');
const event = (n: number): ExecutionResult => ({ data: { n } });

/** A source that never gives anything by itself, and cannot be returned while it waits. */
async function* stuck(): AsyncGenerator<ExecutionResult> {
  await new Promise(() => undefined);
  yield event(0);
}
async function* numbers(...values: number[]): AsyncGenerator<ExecutionResult> {
  for (const value of values) yield event(value);
}

async function all(stream: AsyncIterable<ExecutionResult>): Promise<ExecutionResult[]> {
  const events: ExecutionResult[] = [];
  for await (const result of stream) events.push(result);
  return events;
}

test('events pass through, and the end is told once', async () => {
  let ends = 0;
  const stream = new LiveStreams().add(numbers(1, 2), () => {
    ends += 1;
  });
  expect(await all(stream)).toEqual([event(1), event(2)]);
  await stream.return();
  expect(ends).toBe(1);
});

test('a stream that waits for a stuck source ends at once with the reason', async () => {
  const streams = new LiveStreams();
  const stream = streams.add(stuck(), () => undefined);
  const next = stream.next();
  streams.endAll(reason);
  expect(await next).toEqual({ done: false, value: { errors: [reason] } });
  expect(await stream.next()).toEqual({ done: true, value: undefined });
});

test('a stream that nobody reads at the moment gives the reason next', async () => {
  const streams = new LiveStreams();
  const stream = streams.add(numbers(1, 2, 3), () => undefined);
  await stream.next();
  streams.endAll(reason);
  streams.endAll(new GraphQLError('again'));
  expect(await all(stream)).toEqual([{ errors: [reason] }]);
});

test('return answers a waiting reader and returns the source', async () => {
  let returned = false;
  const source: AsyncIterator<ExecutionResult> & AsyncIterable<ExecutionResult> = {
    next: () => new Promise(() => undefined),
    return: async () => {
      returned = true;
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => source,
  };
  const stream = new LiveStreams().add(source, () => undefined);
  const next = stream.next();
  await stream.return();
  expect(await next).toEqual({ done: true, value: undefined });
  expect(returned).toBe(true);
});

test('an error of the source reaches the reader and ends the stream', async () => {
  async function* broken(): AsyncGenerator<ExecutionResult> {
    yield event(1);
    throw new Error('lost');
  }
  const stream = new LiveStreams().add(broken(), () => undefined);
  await stream.next();
  await expect(stream.next()).rejects.toThrow('lost');
  expect(await stream.next()).toEqual({ done: true, value: undefined });
});
