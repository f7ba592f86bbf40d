/** Refuses a document that is too long, too deep or too repetitive, before anything of it runs. */
import {
  type ASTVisitor,
  type DocumentNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  type ParseOptions,
  parse,
  type SelectionSetNode,
  type Source,
  type ValidationContext,
} from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { LIMITS } from '../domain/limits.ts';
import { queryTooComplex } from './top-level-errors.ts';

/** A Yoga plugin that holds every document to LIMITS: tokens while parsing, depth and aliases while validating. */
export const useDocumentLimits = (): Plugin => ({
  onParse: ({ setParseFn }) => setParseFn(parseWithinLimit),
  onValidate: ({ addValidationRule }) => {
    addValidationRule(DepthLimitRule);
    addValidationRule(AliasLimitRule);
  },
});

/** Parses a document of at most `LIMITS.queryTokens` tokens; a longer one is QUERY_TOO_COMPLEX, other text GRAPHQL_PARSE_FAILED. */
export function parseWithinLimit(source: string | Source, options?: ParseOptions): DocumentNode {
  try {
    return parse(source, { ...options, maxTokens: LIMITS.queryTokens });
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    if (/more than \d+ tokens/.test(error.message)) {
      throw queryTooComplex(
        `The document is longer than ${LIMITS.queryTokens} tokens. Use variables for large inputs.`,
      );
    }
    // Over HTTP Yoga would add this code; over a socket nobody does.
    const { message, source: text, positions } = error;
    throw new GraphQLError(message, {
      extensions: { code: 'GRAPHQL_PARSE_FAILED' },
      ...(text && { source: text }),
      ...(positions && { positions }),
    });
  }
}

// Yoga's cache of validated documents knows rules by their function's name, so the names must not change per call.

/** Refuses selections nested deeper than `LIMITS.queryDepth`; what is below `__schema` and `__type` does not count. */
export function DepthLimitRule(context: ValidationContext): ASTVisitor {
  const depthOf = depthMeter(context);
  return {
    OperationDefinition(node) {
      const depth = depthOf(node.selectionSet);
      if (depth > LIMITS.queryDepth) {
        context.reportError(queryTooComplex(`The query is ${depth} levels deep; the limit is ${LIMITS.queryDepth}.`));
      }
    },
  };
}

/** Refuses a document with more aliased fields than `LIMITS.queryAliases`. */
export function AliasLimitRule(context: ValidationContext): ASTVisitor {
  let aliases = 0;
  return {
    Field(node) {
      if (node.alias !== undefined) aliases += 1;
      if (aliases === LIMITS.queryAliases + 1) {
        context.reportError(queryTooComplex(`The document has more than ${LIMITS.queryAliases} aliases.`));
      }
    },
  };
}

/** Measures selection sets, each fragment once; a fragment within itself is another rule's error and counts nothing. */
function depthMeter(context: ValidationContext): (set: SelectionSetNode) => number {
  const known = new Map<FragmentDefinitionNode, number>();
  const depthOf = (set: SelectionSetNode): number => Math.max(0, ...set.selections.map(selectionDepth));
  const fragmentDepth = (fragment: FragmentDefinitionNode): number => {
    const depth = known.get(fragment);
    if (depth !== undefined) return depth;
    known.set(fragment, 0);
    const measured = depthOf(fragment.selectionSet);
    known.set(fragment, measured);
    return measured;
  };
  const selectionDepth = (selection: SelectionSetNode['selections'][number]): number => {
    if (selection.kind === Kind.INLINE_FRAGMENT) return depthOf(selection.selectionSet);
    if (selection.kind === Kind.FRAGMENT_SPREAD) {
      const fragment = context.getFragment(selection.name.value);
      return fragment == null ? 0 : fragmentDepth(fragment);
    }
    // Introspection has a limit of its own among GraphQL's standard rules.
    const { name, selectionSet } = selection;
    return selectionSet === undefined || name.value === '__schema' || name.value === '__type'
      ? 1
      : 1 + depthOf(selectionSet);
  };
  return depthOf;
}
