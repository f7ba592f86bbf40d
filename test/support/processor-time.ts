/** Processor time instead of time: what else the machine does is not in it. */

/** Starts to count; the answer tells what this thread has used since, in ms. */
export function countProcessorMs(): () => number {
  const before = process.threadCpuUsage();
  return () => {
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / 1_000;
  };
}
