/** What a Markdown document consists of: prose, headings, links, anchors and code. */
import GithubSlugger from 'github-slugger';
import MarkdownIt from 'markdown-it';
import { type HtmlParts, readHtml } from './html.ts';

type Token = ReturnType<typeof markdown.parse>[number];

/** A link or image, with the line it is on, from 1. */
export interface Link {
  readonly target: string;
  readonly line: number;
}

/** A document taken apart. */
export interface Parts {
  /** The texts that are read: paragraphs, headings, table cells; code blocks and markup left out. */
  readonly prose: readonly string[];
  readonly headings: readonly { readonly level: number; readonly text: string }[];
  readonly links: readonly Link[];
  /** The ids that a link within the document may name, in lower case. */
  readonly anchors: ReadonlySet<string>;
  /** The language of each code block; `''` where none is given. */
  readonly code: readonly string[];
}

// markdown-it takes linear time also for hostile text; micromark takes 46 s for 80 kB of "*a_ ".
const markdown = new MarkdownIt({ html: true, linkify: true });
// Only addresses with a scheme, as GitHub does: "index.js" is no domain.
markdown.linkify.set({ fuzzyLink: false, fuzzyEmail: false });
// Targets are reported as they were written.
markdown.normalizeLink = (url) => url;

const FRONT_MATTER = /^\uFEFF?(---|\+\+\+)[ \t]*\r?\n[\s\S]*?\n\1[ \t]*(?:\r?\n|$)/;

/** The parts of a GitHub-flavoured Markdown text; front matter is left out, HTML is looked into. */
export function readMarkdown(text: string): Parts {
  // Blanked, not cut, so that line numbers stay true.
  const body = text.replace(FRONT_MATTER, (block) => block.replace(/[^\n]+/g, ''));
  const prose: string[] = [];
  const headings: { level: number; text: string }[] = [];
  const links: Link[] = [];
  const anchors = new Set<string>();
  const code: string[] = [];
  const slugger = new GithubSlugger();

  const addHeading = (level: number, heading: string): void => {
    headings.push({ level, text: heading });
    anchors.add(slugger.slug(heading).toLowerCase());
  };
  const addHtml = (html: HtmlParts, line: number): void => {
    for (const target of html.targets) links.push({ target: target.url, line: line + target.lineOffset });
    for (const id of html.ids) anchors.add(id.toLowerCase());
    for (const { level, text: heading } of html.headings) addHeading(level, heading);
  };

  let level = 0;
  let line = 1;
  for (const token of markdown.parse(body, {})) {
    // A table's cells have no line of their own; their row has.
    if (token.map !== null) line = token.map[0] + 1;
    if (token.type === 'heading_open') level = Number(token.tag.slice(1));
    else if (token.type === 'inline') {
      const spoken = readInline(token.children ?? [], line, links, addHtml);
      if (spoken !== '') prose.push(spoken);
      if (level > 0) addHeading(level, spoken);
      level = 0;
    } else if (token.type === 'fence') code.push(/^[^\s,{]*/.exec(token.info.trim())?.[0].toLowerCase() ?? '');
    else if (token.type === 'code_block') code.push('');
    else if (token.type === 'html_block') {
      const html = readHtml(token.content);
      addHtml(html, line);
      if (html.text !== '') prose.push(html.text);
    }
  }
  return { prose, headings, links, anchors, code };
}

/** The words of a paragraph or the like, in one line; its links and HTML are handed over. */
function readInline(
  tokens: readonly Token[],
  start: number,
  links: Link[],
  addHtml: (html: HtmlParts, line: number) => void,
): string {
  let line = start;
  let spoken = '';
  for (const token of tokens) {
    if (token.type === 'text' || token.type === 'code_inline') spoken += token.content;
    else if (token.type === 'softbreak' || token.type === 'hardbreak') {
      line += 1;
      spoken += ' ';
    } else if (token.type === 'link_open') links.push({ target: String(token.attrGet('href') ?? ''), line });
    else if (token.type === 'image') links.push({ target: String(token.attrGet('src') ?? ''), line });
    else if (token.type === 'html_inline') addHtml(readHtml(token.content), line);
  }
  return spoken.replace(/\s+/g, ' ').trim();
}
