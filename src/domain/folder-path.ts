/** Rules for the path and glob of a folder datasource, before the file system is asked. */
import { LIMITS } from './limits.ts';

const MAX_GLOB = 500;
const MAX_WILDCARDS = 12;
const MAX_WILDCARDS_PER_SEGMENT = 4;

/** Why a path may not name a folder below the project's root, or null when it may; `''` and `.` are the root itself. */
export function folderPathProblem(path: string): string | null {
  if (path.length > 1_000) return 'is longer than 1,000 characters';
  if (path.includes('\u0000')) return 'contains the character U+0000';
  if (!path.isWellFormed()) return 'contains half of a surrogate pair';
  if (path.includes('\\')) return 'contains a backslash; folders are separated by "/"';
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path))
    return "is absolute; it must be relative to the project's folder";
  if (path.split('/').includes('..')) return 'leaves the project\'s folder by ".."';
  return null;
}

/** The path without empty and `.` segments; `''` for the root. */
export const normalFolderPath = (path: string): string =>
  path
    .split('/')
    .filter((segment) => segment !== '' && segment !== '.')
    .join('/');

/**
 * Why a glob may not select elements, or null when it may.
 *
 * Matching takes time that grows with a power of the number of wildcards, so they are few.
 */
export function globProblem(glob: string): string | null {
  if (glob.trim() === '') return 'is empty';
  if (glob.length > MAX_GLOB) return `is longer than ${MAX_GLOB} characters`;
  if (glob.includes('\u0000')) return 'contains the character U+0000';
  if (!glob.isWellFormed()) return 'contains half of a surrogate pair';
  if (glob.includes('\\')) return 'contains a backslash; folders are separated by "/"';
  if (glob.startsWith('/')) return 'is absolute; it must be relative to the folder';
  if (glob.startsWith('!')) return 'starts with "!"; only what is to be found can be given';
  // Groups and their repetition would reach the regular expression that the glob becomes, and could run for ever.
  if (/[()|]/.test(glob) || /[\]}]\+/.test(glob)) return 'may use only *, **, ?, [abc] and {a,b}';
  const segments = glob.split('/');
  if (segments.some((segment) => segment.includes('..'))) return 'contains ".."';
  const wildcards = segments.map((segment) => segment.replaceAll('**', '*').split('*').length - 1);
  if (wildcards.some((count) => count > MAX_WILDCARDS_PER_SEGMENT)) {
    return `has more than ${MAX_WILDCARDS_PER_SEGMENT} "*" between two "/"`;
  }
  if (wildcards.reduce((sum, count) => sum + count, 0) > MAX_WILDCARDS) return `has more than ${MAX_WILDCARDS} "*"`;
  return null;
}

/** Whether a text can be the id of a folder's element: a relative path that needs no resolving. */
export function isElementPath(id: string): boolean {
  if (id.includes('\u0000') || id.includes('\\') || !id.isWellFormed()) return false;
  if (Buffer.byteLength(id) > LIMITS.elementIdBytes) return false;
  return id.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..');
}

/**
 * The element id that a relative link from an element leads to, or null when it leaves the folder.
 *
 * `..` is resolved by name, never by the file system.
 */
export function resolveBeside(elementId: string, path: string): string | null {
  // What "/" stands for is known to the site that shows the document, not here.
  if (path.startsWith('/') || path.includes('\u0000') || path.includes('\\')) return null;
  const segments = elementId.split('/').slice(0, -1);
  for (const segment of path.split('/')) {
    if (segment === '..') {
      if (segments.length === 0) return null;
      segments.pop();
    } else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  return segments.join('/');
}
