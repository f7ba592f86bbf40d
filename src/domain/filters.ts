/** Which elements of a datasource are taken: the rules of InputFilters, compiled once for many elements. */
import { RE2JS } from 're2js';
import { mediaTypeMatcher } from './media-type.ts';
import type { InputFilters } from './spec.ts';

// Linear time is instructions times characters: `.{1000}` written 140 times would take a second for one filename.
const MAX_PROGRAM = 2_000;

/** What a filter looks at. */
export interface FilteredElement {
  readonly id: string;
  readonly filename: string;
  readonly mediaType: string;
}

/** A test whether an element passes every filter. */
export type ElementMatcher = (element: FilteredElement) => boolean;

/**
 * The test that filters amount to; without filters everything passes.
 *
 * The pattern runs on RE2's automaton, in time linear in the filename whatever the pattern. Throws when the
 * pattern does not compile, which `patternProblem` tells beforehand.
 */
export function compileFilters(filters: InputFilters): ElementMatcher {
  const tests: ElementMatcher[] = [];
  if (filters.elementIds !== undefined) {
    const ids = new Set(filters.elementIds);
    tests.push((element) => ids.has(element.id));
  }
  if (filters.mediaTypes !== undefined) {
    const matchers = filters.mediaTypes.map(mediaTypeMatcher);
    tests.push((element) => matchers.some((matches) => matches(element.mediaType)));
  }
  if (filters.regex !== undefined) {
    const pattern = RE2JS.compile(filters.regex);
    tests.push((element) => pattern.test(element.filename));
  }
  return (element) => tests.every((test) => test(element));
}

/** Why a pattern cannot be used as RE2 (no look-around, no back-references), or null when it can. */
export function patternProblem(pattern: string): string | null {
  try {
    const size = RE2JS.compile(pattern).programSize();
    return size > MAX_PROGRAM
      ? `the pattern is too complex: ${size} instructions, at most ${MAX_PROGRAM} are allowed`
      : null;
  } catch (error) {
    return error instanceof Error ? error.message : 'The pattern does not compile.';
  }
}
