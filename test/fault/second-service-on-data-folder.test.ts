import { expect, test } from 'vitest';
import { dataFolder } from '../support/data-folder.ts';
import { startService } from '../support/service-process.ts';

test('a second service on the data folder ends with a message that names it, and the first serves on', async () => {
  const folder = dataFolder();
  const first = await startService({ BATCHYARD_DATA_DIR: folder });
  try {
    const second = startService({ BATCHYARD_DATA_DIR: folder });
    await expect(second).rejects.toThrow(`The data folder ${folder} is in use by another Batchyard process.`);
    await expect(second).rejects.not.toThrow(/\n\s+at /);
    expect((await fetch(`${first.url}/readyz`)).status).toBe(200);
  } finally {
    expect(await first.stop()).toBe(0);
  }
});
