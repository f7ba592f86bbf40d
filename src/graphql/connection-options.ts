/** The words of the Relay types that every list shares: PageInfo, edges and the four paging arguments. */
import { LIMITS } from '../domain/limits.ts';

const { default: size, max } = LIMITS.pageSize;

// The connection field has multiplied by the page's size already (`pageCost`).
const ONCE = { field: 0, multiplier: 1 } as const;

/** Options of the relay plugin: plain prefixed ids (no base64), everything non-null, `nodes` on connections. */
export const CONNECTION_OPTIONS = {
  nodeQueryOptions: false,
  nodesQueryOptions: false,
  cursorType: 'String',
  nodeTypeOptions: { description: 'An object with an id that is unique in the whole service.' },
  idFieldOptions: { description: 'The id; its prefix names the type.' },
  pageInfoTypeOptions: { description: 'Where a page lies in its list.' },
  hasNextPageFieldOptions: { description: 'Whether there are more entries after this page (reading with `first`).' },
  hasPreviousPageFieldOptions: {
    description: 'Whether there are more entries before this page (reading with `last`).',
  },
  startCursorFieldOptions: { description: 'Cursor of the first entry, for `before`; null on an empty page.' },
  endCursorFieldOptions: { description: 'Cursor of the last entry, for `after`; null on an empty page.' },
  firstArgOptions: {
    description: `How many entries from the start, 0-${max}; ${size} when neither \`first\` nor \`last\` is given. Not together with \`last\`.`,
  },
  lastArgOptions: { description: `How many entries from the end, 0-${max}. Not together with \`first\`.` },
  afterArgOptions: { description: 'Goes on after the entry with this cursor; with `first`.' },
  beforeArgOptions: { description: 'Goes on before the entry with this cursor; with `last`.' },
  edgesFieldOptions: { nullable: false, complexity: ONCE, description: 'The entries with their cursors.' },
  nodeFieldOptions: { nullable: false, description: 'The entry itself.' },
  cursorFieldOptions: { description: 'Opaque position of the entry in this list and order.' },
  nodesOnConnection: { nullable: false, complexity: ONCE, description: 'The entries without their cursors.' },
  pageInfoFieldOptions: { nullable: false, description: 'Where this page lies in the list.' },
} as const;
