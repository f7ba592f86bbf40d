/** The inputs that say what a tier promises of its results. */
import { LIMITS } from '../domain/limits.ts';
import type { ArtifactStorage, ArtifactType } from '../domain/tier-output.ts';
import { builder } from './builder.ts';

export const OUTPUT_SCHEMA = `A JSON Schema of what the agent returns: draft 2020-12, or draft-07 by its \`$schema\`; patterns are RE2, references stay within it, formats are not checked; at most ${LIMITS.schemaBytes} bytes. A result that misses it fails its item with the permanent error \`output_mismatch\`, and the item's \`fieldErrors\` say where.`;
export const ARTIFACT_RULES = `Which files come with a result, at most ${LIMITS.artifactRules} rules; other files may come too. A result that misses one fails its item as \`outputSchema\` does.`;

const ArtifactTypeEnum = builder.enumType('ArtifactType', {
  description: 'What kind of file an artifact must be, by its media type.',
  values: {
    JSON: { description: 'application/json and anything +json; the content must be JSON.' },
    MARKDOWN: { description: 'text/markdown.' },
    CSV: { description: 'text/csv.' },
    YAML: { description: 'application/yaml, also text and x-yaml.' },
    TEXT: { description: 'Any text.' },
    HTML: { description: 'text/html or application/xhtml+xml.' },
    XML: { description: 'application/xml, text/xml and anything +xml.' },
    PDF: { description: 'application/pdf.' },
    IMAGE: { description: 'Any image.' },
    ANY: { description: 'Anything.' },
  } satisfies { [type in ArtifactType]: { description: string } },
});

const ArtifactStorageEnum = builder.enumType('ArtifactStorage', {
  description: 'Where the bytes of an artifact are to be.',
  values: {
    ANY: { description: 'Either; the agent decides.' },
    INLINE: { description: 'In the result itself, kept and served by this service.' },
    URL: { description: 'Behind a URL that the agent gives; this service keeps the URL only.' },
  } satisfies { [storage in ArtifactStorage]: { description: string } },
});

export const ArtifactRuleInput = builder.inputType('ArtifactRuleInput', {
  description: 'What one artifact of a result must be.',
  fields: (t) => ({
    name: t.string({
      required: true,
      description: `Which artifact: the one with this id, else the one with this filename; at most ${LIMITS.nameLength} characters, each name once.`,
    }),
    type: t.field({ type: ArtifactTypeEnum, defaultValue: 'ANY', description: 'What kind of file it is.' }),
    required: t.boolean({ defaultValue: true, description: 'Whether it is a miss when it does not come.' }),
    storage: t.field({ type: ArtifactStorageEnum, defaultValue: 'ANY', description: 'Where its bytes are.' }),
    maxSizeBytes: t.int({
      description:
        'Its greatest size, in bytes; one behind a URL must say its size. A result as a whole has its limit all the same.',
    }),
    schema: t.field({ type: 'JSON', description: 'A JSON Schema of its content; only for inline JSON.' }),
  }),
});
