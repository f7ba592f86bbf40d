/** The names of secrets. */
import { z } from 'zod';

const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$/;

/** A secret's name: 1-100 letters and digits, with `.`, `_` and `-` between them. */
export const secretName = z
  .string()
  .regex(NAME, 'must be 1-100 letters and digits, with ".", "_" and "-" between them');
