/** `Node`, and the queries `node` and `nodes` over every type that registers a load function. */
import { brandWithType, type OutputRef } from '@pothos/core';
import { type NodeType, nodeTypeOf } from '../domain/ids.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Actor } from '../domain/model.ts';
import { builder, type SchemaTypes } from './builder.ts';
import { actorOf, type Context } from './context.ts';
import { badUserInput } from './top-level-errors.ts';

/** Reads the object with an id of its type as the actor may see it; null when there is none. */
export type NodeLoad = (ctx: Context, actor: Actor, id: string) => Promise<object | null>;

/** The interface to put into a type's `interfaces`; the type defines `id` itself, as `t.exposeID('id', …)`. */
export const Node = builder.nodeInterfaceRef();

const loads = new Map<NodeType, { ref: OutputRef; load: NodeLoad }>();

/** Makes objects of a type reachable through `node` and `nodes`. `load` gets ids whose prefix is the type's. */
export function registerNode(type: NodeType, ref: OutputRef, load: NodeLoad): void {
  loads.set(type, { ref, load });
}

/** The object that an id names, marked with its type; null when malformed, unknown, foreign or of no such type. */
export async function loadNode(ctx: Context, id: string): Promise<object | null> {
  const type = nodeTypeOf(id);
  const registered = type === null ? undefined : loads.get(type);
  if (registered === undefined) return null;
  const found = await registered.load(ctx, actorOf(ctx), id);
  if (found !== null) brandWithType<SchemaTypes>(found, registered.ref);
  return found;
}

builder.queryField('node', (t) =>
  t.field({
    type: Node,
    nullable: true,
    description: 'The object with this id; null when it is malformed, unknown or of another project.',
    args: { id: t.arg.id({ required: true, description: 'A prefixed id, e.g. `exec_…`.' }) },
    resolve: (_root, { id }, ctx) => loadNode(ctx, id),
  }),
);

builder.queryField('nodes', (t) =>
  t.field({
    type: [Node],
    nullable: { list: false, items: true },
    description:
      'The objects with these ids, in their order; null in the place of each that `node` would answer with null.',
    complexity: ({ ids }) => ({ field: 1, multiplier: ids.length }),
    args: { ids: t.arg.idList({ required: true, description: `At most ${LIMITS.nodesPerQuery} ids.` }) },
    resolve: (_root, { ids }, ctx) => {
      if (ids.length > LIMITS.nodesPerQuery)
        throw badUserInput(`ids takes at most ${LIMITS.nodesPerQuery} ids, not ${ids.length}.`);
      return Promise.all(ids.map((id) => loadNode(ctx, id)));
    },
  }),
);
