import { expect, test } from 'vitest';
import { itemId, newId, nodeTypeOf, parseItemId } from '../../src/domain/ids.ts';

test('an item id gives back its execution and ordinal', () => {
  const executionId = newId('BatchExecution');
  for (const ordinal of [0, 7, 999_999, 2_147_483_647]) {
    const id = itemId(executionId, ordinal);
    expect(parseItemId(id)).toEqual({ executionId, ordinal });
    expect(nodeTypeOf(id)).toBe('BatchItem');
  }
});

test.each([
  'item_x_1',
  'item_',
  `item_${'a'.repeat(21)}_01`,
  `item_${'a'.repeat(21)}_2147483648`,
  `item_${'a'.repeat(21)}_-1`,
  '',
  'exec_1',
])('a malformed item id names nothing: %s', (id) => {
  expect(parseItemId(id)).toBeNull();
});

test('a prefix names its type, anything else none', () => {
  expect(nodeTypeOf(newId('BatchExecution'))).toBe('BatchExecution');
  expect(nodeTypeOf(newId('Datasource'))).toBe('Datasource');
  expect(nodeTypeOf(newId('ApiKey'))).toBe('ApiKey');
  expect(nodeTypeOf('nothing_aaaaaaaaaaaaaaaaaaaaa')).toBeNull();
  expect(nodeTypeOf('exec_short')).toBeNull();
});
