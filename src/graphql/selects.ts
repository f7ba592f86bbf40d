/** What of a field's answer a request asks for. */
import type { GraphQLResolveInfo, SelectionSetNode } from 'graphql';

/** Whether the field that is being resolved is asked for a field of this name, by whatever alias or fragment. */
export function selects({ fieldNodes, fragments }: GraphQLResolveInfo, name: string): boolean {
  const has = (set: SelectionSetNode | undefined): boolean =>
    set?.selections.some((selection) => {
      if (selection.kind === 'Field') return selection.name.value === name;
      return has(
        selection.kind === 'InlineFragment' ? selection.selectionSet : fragments[selection.name.value]?.selectionSet,
      );
    }) ?? false;
  return fieldNodes.some((node) => has(node.selectionSet));
}
