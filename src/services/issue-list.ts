/** Gathers every problem of an input, so that the caller is told of all at once. */
import type { ZodType } from 'zod';
import { ValidationError, type ValidationIssue } from '../domain/user-error.ts';
import { zodIssues } from './check-input.ts';

/** Where in an input something is: the path from the argument on. */
export type Loc = readonly string[];

/** The problems found so far. */
export class IssueList {
  readonly #issues: ValidationIssue[] = [];

  get isEmpty(): boolean {
    return this.#issues.length === 0;
  }

  /** The problems, in the order in which they were found. */
  get all(): readonly ValidationIssue[] {
    return this.#issues;
  }

  /** Notes a problem; `type` is the machine word for the broken rule. */
  add(loc: Loc, type: string, msg: string, ctx?: Readonly<Record<string, unknown>>): void {
    this.#issues.push({ loc, msg, type, ...(ctx !== undefined && { ctx }) });
  }

  /** The value as its schema understands it, or undefined with its problems noted. */
  check<T>(schema: ZodType<T>, value: unknown, loc: Loc): T | undefined {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    this.#issues.push(...zodIssues(result.error, loc));
    return undefined;
  }

  /** Throws a ValidationError when there is any problem. */
  throwIfAny(): void {
    if (this.#issues.length > 0) throw new ValidationError(this.#issues);
  }
}
