/** Which links of a document lead somewhere. */
import type { Link, Parts } from './markdown.ts';

/** How many links there are of each kind; images count as links. */
export interface LinkCounts {
  readonly total: number;
  /** To files beside the document. */
  readonly relative: number;
  /** With a scheme or a host; they are not followed. */
  readonly external: number;
  /** To a section of the document itself. */
  readonly anchors: number;
  /** Relative ones of which it cannot be known whether they lead to a file. */
  readonly unchecked: number;
}

/** A link that leads nowhere; each target is listed once, with the line of its first use. */
export interface BrokenLink {
  readonly target: string;
  readonly kind: 'FILE' | 'ANCHOR';
  readonly line: number;
}

/** Most broken links that are listed. */
const MAX_LISTED = 500;

/**
 * Counts and checks the links of a document.
 *
 * `exists` says whether a path relative to the document leads to a file, or null where that cannot be known.
 */
export async function checkLinks(
  { links, anchors }: Pick<Parts, 'links' | 'anchors'>,
  exists: (path: string) => Promise<boolean | null>,
): Promise<{ counts: LinkCounts; broken: readonly BrokenLink[] }> {
  const counts = { total: links.length, relative: 0, external: 0, anchors: 0, unchecked: 0 };
  const broken: BrokenLink[] = [];
  const answers = new Map<string, boolean | null>();
  const reported = new Set<string>();
  const report = ({ target, line }: Link, kind: BrokenLink['kind']): void => {
    if (reported.has(target) || broken.length === MAX_LISTED) return;
    reported.add(target);
    broken.push({ target, kind, line });
  };
  for (const link of links) {
    if (link.target.startsWith('#')) {
      counts.anchors += 1;
      if (!isAnchor(link.target.slice(1), anchors)) report(link, 'ANCHOR');
    } else if (/^(?:[a-z][a-z0-9+.-]*:|\/\/)/i.test(link.target)) counts.external += 1;
    else {
      counts.relative += 1;
      const path = decoded(link.target.replace(/[?#].*$/s, ''));
      const known = answers.get(path);
      const answer = known === undefined ? await exists(path) : known;
      answers.set(path, answer);
      if (answer === null) counts.unchecked += 1;
      else if (!answer) report(link, 'FILE');
    }
  }
  return { counts, broken };
}

function isAnchor(fragment: string, anchors: ReadonlySet<string>): boolean {
  const id = decoded(fragment).toLowerCase();
  return id === '' || id === 'top' || anchors.has(id) || anchors.has(`user-content-${id}`);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
