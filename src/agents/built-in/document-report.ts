/** The agent that reads a document and reports on its text, structure, links and code. */
import { isUtf8 } from 'node:buffer';
import type { AgentItem, AgentModule, AgentResult, ContextWith } from '../contract.ts';
import { type BrokenLink, checkLinks } from '../document-report/links.ts';
import { type Parts, readMarkdown } from '../document-report/markdown.ts';
import { measureProse } from '../document-report/prose.ts';

interface ReportConfig {
  readonly format?: 'auto' | 'markdown' | 'text';
}

// A megabyte takes about half a second, most of it for finding words.
const MAX_BYTES = 1_000_000;

async function run({ item, config }: ContextWith<ReportConfig>): Promise<AgentResult> {
  const text = await readText(item);
  const { format = 'auto' } = config;
  const isMarkdown = format === 'markdown' || (format === 'auto' && /^text\/(?:x-)?markdown\b/i.test(item.mediaType));
  const parts = isMarkdown ? readMarkdown(text) : plainParts(text);
  const { counts, broken } = await checkLinks(parts, (path) => item.exists(path));
  return {
    data: {
      title: (parts.headings.find(({ level }) => level === 1) ?? parts.headings[0])?.text ?? null,
      ...measureProse(parts.prose),
      headings: parts.headings,
      links: counts,
      brokenLinks: broken,
      codeLanguages: tally(parts.code),
    },
    fieldErrors: broken.map(fieldErrorOf),
  };
}

async function readText(item: AgentItem): Promise<string> {
  const bytes = await item.bytes();
  if (bytes.byteLength > MAX_BYTES) {
    throw new DocumentError(
      'document_too_large',
      `The document has ${bytes.byteLength} bytes; at most ${MAX_BYTES} are read.`,
    );
  }
  if (!isUtf8(bytes) || bytes.includes(0)) throw new DocumentError('not_text', 'The document is not text in UTF-8.');
  const text = new TextDecoder().decode(bytes);
  if (text.trim() === '') throw new DocumentError('empty_document', 'The document is empty.');
  return text;
}

/** A plain text has paragraphs and nothing else. */
const plainParts = (text: string): Parts => ({
  prose: text.split(/\r?\n\s*\r?\n/),
  headings: [],
  links: [],
  anchors: new Set(),
  code: [],
});

function tally(languages: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const language of languages) {
    const name = language === '' ? 'unspecified' : language;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a));
}

const fieldErrorOf = ({ target, kind, line }: BrokenLink, index: number) => ({
  path: `/brokenLinks/${index}`,
  ...(kind === 'FILE'
    ? { code: 'broken_link', message: `Line ${line} links to ${JSON.stringify(target)}, where there is no file.` }
    : {
        code: 'missing_anchor',
        message: `Line ${line} links to ${JSON.stringify(target)}, which is no section of the document.`,
      }),
});

/** The document cannot be reported on, however often it is tried. */
class DocumentError extends Error {
  readonly category = 'VALIDATION';
  readonly transient = false;
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = 'DocumentError';
    this.code = code;
  }
}

export default {
  description:
    'Reads a Markdown or plain text document: words, sentences, Flesch reading ease, reading time, headings, links ' +
    '(with those that lead to no file or section), and the languages of its code blocks.',
  configSchema: {
    type: 'object',
    additionalProperties: false,
    properties: {
      format: {
        enum: ['auto', 'markdown', 'text'],
        description: 'How to read it; auto (the default) goes by the media type: Markdown, else plain text.',
      },
    },
  },
  run,
} satisfies AgentModule<ReportConfig>;
