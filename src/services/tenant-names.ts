/** The names that customers, projects and keys may have. */
import { z } from 'zod';
import { isStorableText } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import { ValidationError } from '../domain/user-error.ts';

const SLUG = /^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$/;
const SLUG_RULE = 'must be 1-64 of a-z, 0-9 and hyphens, with a letter or digit at both ends';

/** A name that people read: 1-200 characters without surrounding space. */
export const displayName = z
  .string()
  .trim()
  .min(1, 'must not be empty')
  .max(LIMITS.nameLength, `must have at most ${LIMITS.nameLength} characters`)
  .refine(isStorableText, 'must be valid Unicode without U+0000');

/** A name for headers and paths. */
export const slug = z.string().regex(SLUG, SLUG_RULE);

/** The input of whatever has a name and a slug. */
export const namedInput = z.object({ name: displayName, slug: slug.nullish() });

/** The slug given, else one made from the name; throws ValidationError where the name has nothing to make one of. */
export function slugFor(input: z.infer<typeof namedInput>): string {
  if (input.slug != null) return input.slug;
  const made = input.name
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 64)
    .replaceAll(/^-+|-+$/g, '');
  if (made !== '') return made;
  throw new ValidationError([
    { loc: ['input', 'slug'], msg: `${SLUG_RULE}; none could be made from the name`, type: 'required' },
  ]);
}
