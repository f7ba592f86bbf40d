/** Resident memory of a process over time. */
import type { ServiceProcess } from '../../test/support/service-process.ts';

const EVERY_MS = 100;

/** Watches a service's memory; the answer ends that, and gives every sample in bytes. */
export function watchMemory(service: ServiceProcess): () => readonly number[] {
  const samples: number[] = [];
  const timer = setInterval(() => samples.push(service.memory().now), EVERY_MS);
  return () => {
    clearInterval(timer);
    samples.push(service.memory().now);
    return samples;
  };
}
