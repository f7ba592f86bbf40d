/** Shows a running execution in a terminal, or as plain lines where there is none. */
import { styleText } from 'node:util';

const BAR_WIDTH = 30;
/** Plain output gets a line each time that this much more is done. */
const PLAIN_STEP_PERCENT = 10;

/** Where an execution stands. */
export interface ProgressState {
  readonly status: string;
  /** 0 to 100. */
  readonly percent: number;
  readonly total: number;
  readonly closed: number;
  readonly failed: number;
  readonly retrying: number;
  readonly itemsPerSecond: number | null;
}

/** What of a stream the display needs: `process.stdout` is one. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** A display of one execution: `show` each state, then `end`. */
export interface ProgressDisplay {
  show(state: ProgressState): void;
  end(): void;
}

/** A bar that is drawn over itself in a terminal; elsewhere a line for each tenth of the work and each status. */
export function createProgress(out: Output): ProgressDisplay {
  return out.isTTY === true ? bar(out) : lines(out);
}

function bar(out: Output): ProgressDisplay {
  let drawn = false;
  return {
    show: (state) => {
      const filled = Math.round((state.percent / 100) * BAR_WIDTH);
      const picture = styleText('green', '█'.repeat(filled)) + styleText('dim', '░'.repeat(BAR_WIDTH - filled));
      const text = describe(state).slice(0, Math.max(0, (out.columns ?? 80) - BAR_WIDTH - 3));
      // Back to the line's start, and away with what is right of the new text.
      out.write(`\r${picture}  ${text}\u001b[K`);
      drawn = true;
    },
    end: () => {
      if (drawn) out.write('\n');
    },
  };
}

function lines(out: Output): ProgressDisplay {
  let said = '';
  return {
    show: (state) => {
      const step = `${state.status} ${Math.floor(state.percent / PLAIN_STEP_PERCENT)}`;
      if (step === said) return;
      said = step;
      out.write(`${describe(state)}\n`);
    },
    end: () => undefined,
  };
}

function describe({ status, percent, total, closed, failed, retrying, itemsPerSecond }: ProgressState): string {
  const parts = [`${Math.floor(percent)}%`, `${closed} of ${total}`, status.toLowerCase().replaceAll('_', ' ')];
  if (itemsPerSecond !== null) parts.push(`${Math.round(itemsPerSecond)}/s`);
  if (retrying > 0) parts.push(`${retrying} waiting to be retried`);
  if (failed > 0) parts.push(`${failed} failed`);
  return parts.join(' · ');
}
