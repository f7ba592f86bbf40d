import { z } from 'zod';
import { jsonProblemMessage, toJsonText } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';

/** JSON of the user's own, of bounded size and depth; null is absent. */
export const ownJson = (maxBytes: number) =>
  z.unknown().superRefine((value, ctx) => {
    const json = toJsonText(value, maxBytes, LIMITS.jsonDepth);
    if (!json.ok)
      ctx.addIssue({ code: 'custom', message: jsonProblemMessage(json.problem), params: { rule: json.problem } });
  });
