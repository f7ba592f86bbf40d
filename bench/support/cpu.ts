/** Processor time that processes have used, which says what work costs also while others use the machine. */
import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts in hundredths of a second. */
const TICK_MS = 10;

interface Times {
  readonly parent: number;
  /** Of its own, in ms. */
  readonly own: number;
  /** Of its children that have ended, in ms. */
  readonly ended: number;
}

/** What a process and its threads have used, in ms. */
export const cpuOf = (pid: number): number => timesOf(pid)?.own ?? 0;

/** What a process and its children have used together, those that have ended too, in ms. */
export function cpuOfFamily(pid: number): number {
  const root = timesOf(pid);
  if (root === null) return 0;
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => timesOf(Number(name)) ?? [])
    .filter(({ parent }) => parent === pid);
  return children.reduce((sum, { own }) => sum + own, root.own + root.ended);
}

/** null: it has ended. */
function timesOf(pid: number): Times | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name before it is in parentheses and may hold spaces.
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [, parent = 0, , , , , , , , , , user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields;
    return { parent, own: (user + system) * TICK_MS, ended: (endedUser + endedSystem) * TICK_MS };
  } catch {
    return null;
  }
}

/** The process that started this one; 0 when it has ended. */
export const parentOf = (pid: number): number => timesOf(pid)?.parent ?? 0;
