/** What the driver makes of the values of a result. */
import pg from 'pg';

const INT8_OID = 20;

// pg answers int8 (count(*), identity columns) as text; ours stay far below 2^53.
const getTypeParser: typeof pg.types.getTypeParser = (oid: number, format?: 'text' | 'binary') =>
  oid === INT8_OID ? Number : pg.types.getTypeParser(oid, format);

/** For the settings of a pool. */
export const TYPES = { getTypeParser };
