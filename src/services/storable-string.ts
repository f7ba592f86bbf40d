import { z } from 'zod';
import { isStorableText } from '../domain/json.ts';

/** A text of at most `max` UTF-16 units that the database can hold: no U+0000 and no half surrogate pair. */
export const storableString = (max: number) =>
  z.string().max(max).refine(isStorableText, 'contains U+0000 or half of a surrogate pair');
