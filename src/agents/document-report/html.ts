/** What a piece of HTML inside Markdown holds. */
import { Parser } from 'htmlparser2';

/** The parts of a piece of HTML that count for a document. */
export interface HtmlParts {
  /** Links and images, with the lines between the start of the piece and them. */
  readonly targets: readonly { readonly url: string; readonly lineOffset: number }[];
  /** Values of `id` and of `name` on links. */
  readonly ids: readonly string[];
  readonly headings: readonly { readonly level: number; readonly text: string }[];
  /** Its text, without that of scripts, styles and code. */
  readonly text: string;
}

const HEADING = /^h([1-6])$/;
const UNREAD: ReadonlySet<string> = new Set(['script', 'style', 'pre', 'code', 'title', 'svg']);

/** The parts of a piece of HTML, which may be a single tag. */
export function readHtml(html: string): HtmlParts {
  const targets: { url: string; lineOffset: number }[] = [];
  const lineOf = lineCounter(html);
  const ids: string[] = [];
  const headings: { level: number; text: string }[] = [];
  const texts: string[] = [];
  let heading: { level: number; text: string } | null = null;
  let unread = 0;
  const parser = new Parser({
    onopentag(name, attributes) {
      if (UNREAD.has(name)) unread += 1;
      const url = name === 'a' ? attributes['href'] : name === 'img' ? attributes['src'] : undefined;
      if (url !== undefined && url !== '') targets.push({ url, lineOffset: lineOf(parser.startIndex) });
      for (const id of [attributes['id'], name === 'a' ? attributes['name'] : undefined]) if (id) ids.push(id);
      const level = HEADING.exec(name)?.[1];
      if (level !== undefined) heading = { level: Number(level), text: '' };
    },
    ontext(text) {
      if (unread > 0) return;
      if (heading !== null) heading.text += text;
      texts.push(text);
    },
    onclosetag(name) {
      if (UNREAD.has(name)) unread -= 1;
      if (heading === null || !HEADING.test(name)) return;
      const text = oneLine(heading.text);
      // A heading that only holds a logo has no words to list or to link to.
      if (text !== '') headings.push({ level: heading.level, text });
      heading = null;
    },
  });
  parser.write(html);
  parser.end();
  return { targets, ids, headings, text: oneLine(texts.join(' ')) };
}

/** Counts the line breaks before an index; indexes must rise. */
function lineCounter(text: string): (index: number) => number {
  let at = 0;
  let lines = 0;
  return (index) => {
    for (; at < index; at += 1) if (text.charCodeAt(at) === 10) lines += 1;
    return lines;
  };
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();
