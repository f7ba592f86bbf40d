/** The sorted names of a folder's elements, and whether a single name is one. */
import picomatch from 'picomatch';
import { glob as findFiles } from 'tinyglobby';
import { isElementPath } from '../domain/folder-path.ts';
import { createPauser } from './pauser.ts';

const KEPT = 4;
const KEEP_MS = 60_000;

/** Lists folders by glob; hidden files and folders are elements only where the glob names the dot. */
export interface FolderListings {
  /** All names as they are now, in code unit order. */
  list(folder: string, glob: string): Promise<readonly string[]>;
  /** The names of a list that was begun within the last minute, else as they are now: for going on with its pages. */
  goOn(folder: string, glob: string): Promise<readonly string[]>;
}

/** Listings that are kept for a minute, a few at a time: 100,000 names are 10 MB. */
export function createFolderListings(): FolderListings {
  const kept = new Map<string, { at: number; names: Promise<readonly string[]> }>();

  function list(folder: string, glob: string): Promise<readonly string[]> {
    const key = JSON.stringify([folder, glob]);
    const names = walk(folder, glob);
    kept.delete(key);
    kept.set(key, { at: performance.now(), names });
    for (const [oldKey, old] of kept) {
      if (kept.size > KEPT || performance.now() - old.at > KEEP_MS) kept.delete(oldKey);
    }
    names.catch(() => kept.delete(key));
    return names;
  }

  return {
    list,
    goOn(folder, glob) {
      const known = kept.get(JSON.stringify([folder, glob]));
      return known !== undefined && performance.now() - known.at <= KEEP_MS ? known.names : list(folder, glob);
    },
  };
}

/** A test whether a relative path matches the glob, by the same rules as a listing. */
export function globMatcher(glob: string): (name: string) => boolean {
  return picomatch(withoutDotSlash(glob), { dot: false, noextglob: true, posix: true });
}

async function walk(folder: string, glob: string): Promise<readonly string[]> {
  const names = await findFiles(withoutDotSlash(glob), {
    cwd: folder,
    dot: false,
    extglob: false,
    expandDirectories: false,
    followSymbolicLinks: false,
    onlyFiles: true,
  });
  const pauser = createPauser();
  const elements: string[] = [];
  for (const name of names) {
    if (isElementPath(name)) elements.push(name);
    if (pauser.isDue()) await pauser.pause();
  }
  // Code unit order, so that a page can go on after a name by comparing.
  return elements.sort();
}

const withoutDotSlash = (glob: string): string => glob.replace(/^(?:\.\/)+/, '');
