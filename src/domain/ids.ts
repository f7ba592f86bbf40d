/** Prefixed ids: the prefix names the type, so that any id can be looked up as a node. */
import { nanoid } from 'nanoid';

export const ID_PREFIXES = {
  Customer: 'cust',
  Project: 'proj',
  ApiKey: 'key',
  Datasource: 'ds',
  Agent: 'agent',
  AgentVersion: 'agv',
  BatchDefinition: 'def',
  BatchExecution: 'exec',
  BatchItem: 'item',
} as const;
export type NodeType = keyof typeof ID_PREFIXES;

const BODY = '[A-Za-z0-9_-]{21}';
const ITEM_ID = new RegExp(`^item_(${BODY})_(0|[1-9][0-9]{0,9})$`);

/** Makes a new id for a type of node. */
export type IdMaker = (type: NodeType) => string;
export const newId: IdMaker = (type) => `${ID_PREFIXES[type]}_${nanoid()}`;

/** An item's id, made from its execution's id and its ordinal. */
export const itemId = (executionId: string, ordinal: number): string =>
  `item_${executionId.slice(ID_PREFIXES.BatchExecution.length + 1)}_${ordinal}`;

/** What an item id names, or null when it is malformed. */
export function parseItemId(id: string): { executionId: string; ordinal: number } | null {
  const match = ITEM_ID.exec(id);
  const ordinal = Number(match?.[2]);
  if (match === null || ordinal > 2_147_483_647) return null;
  return { executionId: `${ID_PREFIXES.BatchExecution}_${match[1]}`, ordinal };
}

/** The type that an id's prefix names, or null when the id is malformed. */
export function nodeTypeOf(id: string): NodeType | null {
  if (parseItemId(id) !== null) return 'BatchItem';
  const match = new RegExp(`^([a-z]+)_${BODY}$`).exec(id);
  const found = Object.entries(ID_PREFIXES).find(([, prefix]) => prefix === match?.[1]);
  return found === undefined ? null : (found[0] as NodeType);
}
