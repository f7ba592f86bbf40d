/**
 * A builder plugin that refuses arguments the database cannot hold, before any resolver sees them.
 *
 * PostgreSQL takes neither U+0000 nor half a surrogate pair in text. Refused here, for every argument of every
 * root field, they are a ValidationError with the place of each; let through, they would be an unexplained 500.
 */
import SchemaBuilder, { BasePlugin, type PothosOutputFieldConfig, type SchemaTypes } from '@pothos/core';
import type { GraphQLFieldResolver } from 'graphql';
import { isStorableText, jsonProblemMessage } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import { MAX_ISSUES, ValidationError, type ValidationIssue } from '../domain/user-error.ts';

const PLUGIN_NAME = 'inputCheck';
// JSON may nest `jsonDepth` deep, and the deepest input type holds its JSON some levels down.
const MAX_DEPTH = LIMITS.jsonDepth + 10;

declare global {
  export namespace PothosSchemaTypes {
    // The type parameter has to be named as Pothos names it.
    export interface Plugins<Types extends SchemaTypes> {
      inputCheck: InputCheck<Types>;
    }
  }
}

type Resolve<Types extends SchemaTypes> = GraphQLFieldResolver<unknown, Types['Context'], object>;

/** The plugin's class; only Pothos makes instances. */
export class InputCheck<Types extends SchemaTypes> extends BasePlugin<Types> {
  override wrapResolve(resolve: Resolve<Types>, field: PothosOutputFieldConfig<Types>): Resolve<Types> {
    // A subscription's arguments are checked once, when it starts; its resolve runs for each event.
    return field.kind === 'Query' || field.kind === 'Mutation' ? checked(resolve) : resolve;
  }

  override wrapSubscribe(subscribe: Resolve<Types> | undefined): Resolve<Types> | undefined {
    return subscribe && checked(subscribe);
  }
}

SchemaBuilder.registerPlugin(PLUGIN_NAME, InputCheck);

/** The plugin's name, for the builder's list. */
export const InputCheckPlugin = PLUGIN_NAME;

function checked<Types extends SchemaTypes>(next: Resolve<Types>): Resolve<Types> {
  return (parent, args, ctx, info) => {
    const issues = inputIssues(args);
    if (issues.length > 0) throw new ValidationError(issues);
    return next(parent, args, ctx, info);
  };
}

/** Every string or key in the arguments that cannot be stored, and every value nested too deeply; at most 50. */
export function inputIssues(args: object): readonly ValidationIssue[] {
  const issues: ValidationIssue[] = [];
  // A stack of its own: a body may nest deeper than the call stack allows.
  const open: { value: unknown; at: Place | null; depth: number }[] = [{ value: args, at: null, depth: 0 }];
  for (let next = open.pop(); next !== undefined && issues.length < MAX_ISSUES; next = open.pop()) {
    const { value, at, depth } = next;
    if (at !== null && !isStorableText(at.key)) {
      issues.push(textIssue(at.key, at));
    } else if (typeof value === 'string') {
      if (!isStorableText(value)) issues.push(textIssue(value, at));
    } else if (typeof value === 'object' && value !== null && !(value instanceof Date)) {
      if (depth > MAX_DEPTH) {
        issues.push({
          loc: pathOf(at),
          msg: jsonProblemMessage('too_deep'),
          type: 'too_deep',
          ctx: { maximum: LIMITS.jsonDepth },
        });
        continue;
      }
      // Pushed last to first, so that issues come in the order of the input.
      for (const [key, inner] of Object.entries(value).toReversed()) {
        open.push({ value: inner, at: { key, parent: at }, depth: depth + 1 });
      }
    }
  }
  return issues;
}

interface Place {
  readonly key: string;
  readonly parent: Place | null;
}

function textIssue(text: string, at: Place | null): ValidationIssue {
  const type = text.includes('\u0000') ? 'nul_character' : 'lone_surrogate';
  return { loc: pathOf(at), msg: jsonProblemMessage(type), type };
}

function pathOf(at: Place | null): readonly string[] {
  const path: string[] = [];
  for (let place = at; place !== null; place = place.parent) {
    path.unshift(place.key.toWellFormed().replaceAll('\u0000', '\uFFFD'));
  }
  return path;
}
