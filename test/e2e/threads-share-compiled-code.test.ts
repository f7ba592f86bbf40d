import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { dataFolder, temporaryFolder } from '../support/data-folder.ts';
import { startService } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const KEPT = path.join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'compiled');

test.each(['the service', 'its operator'])(
  'threads find what was compiled before in the folder that %s chose',
  async (who) => {
    const folder = temporaryFolder();
    const [agents, told] = [path.join(folder, 'agents'), path.join(folder, 'told')];
    await mkdir(agents, { recursive: true });
    // Imported in a thread, as every agent's module is.
    await writeFile(
      path.join(agents, 'telling.mjs'),
      `import { renameSync, writeFileSync } from 'node:fs';
      import { getCompileCacheDir } from 'node:module';
      import { isMainThread } from 'node:worker_threads';
      const [unfinished, told] = ${JSON.stringify([`${told}.new`, told])};
      // What programs that an agent starts are told of.
      const inherited = process.env.NODE_COMPILE_CACHE ?? '';
      writeFileSync(unfinished, JSON.stringify([isMainThread, getCompileCacheDir() ?? null, inherited]));
      renameSync(unfinished, told);
      export default () => null;`,
    );
    const chosen = who === 'the service' ? '' : path.join(folder, 'compiled');
    const service = await startService({
      ...{ BATCHYARD_AGENTS_DIR: agents, BATCHYARD_DATA_DIR: dataFolder(), LOG_LEVEL: 'warn' },
      NODE_COMPILE_CACHE: chosen,
    });
    await until(() => existsSync(told));
    expect(await service.stop()).toBe(0);
    const [isMainThread, used, inherited] = JSON.parse(readFileSync(told, 'utf8'));
    expect(isMainThread).toBe(false);
    expect(path.dirname(used ?? '')).toBe(chosen || KEPT);
    expect(inherited).toBe(chosen);
  },
);
