/** The order of test files: those that start processes and break them take longest, and so begin first. */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const LONG = /\/test\/(fault|e2e)\//;

/** Without a record of earlier runs the longest files might come last, with one core idle beside them. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = (file: TestSpecification) => LONG.test(file.moduleId);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}
