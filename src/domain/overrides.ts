/** What an execution changes of its definition. */
import type { BatchSpec, InputOverrides, PinnedSpec } from './spec.ts';

/**
 * The spec with the overrides applied; null changes nothing.
 *
 * Filters replace those of the definition as a whole, a user message that of every tier.
 */
export function applyOverrides<Spec extends BatchSpec | PinnedSpec>(spec: Spec, overrides: InputOverrides | null): Spec {
  if (overrides === null) return spec;
  const { filters, userMessage, ...params } = overrides;
  return {
    ...spec,
    input: { ...spec.input, ...(filters !== undefined && { filters }) },
    tiers: spec.tiers.map((tier) => ({ ...tier, ...(userMessage !== undefined && { userMessage }) })),
    execution: { ...spec.execution, ...params },
  };
}
