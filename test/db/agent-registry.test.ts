import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { threadId } from 'node:worker_threads';
import { beforeAll, expect, test } from 'vitest';
import { createRegistry } from '../../src/agents/registry.ts';
import { newId } from '../../src/domain/ids.ts';
import { classifyThrown } from '../../src/domain/item-error.ts';
import type { Db } from '../../src/store/database.ts';
import { temporaryFolder } from '../support/data-folder.ts';
import { describeDatabases } from '../support/databases.ts';
import { outside } from '../support/outside.ts';
import { agentContext, dataOf } from '../support/threaded-agents.ts';

describeDatabases('agent registry', (open) => {
  let db: Db;
  beforeAll(async () => {
    db = await open();
  });

  /**
   * A registry over a folder with these files; names are made unique, because tests share the database. Its deadline is
   * for a machine with too much to do.
   */
  function registryOf(files: Record<string, string> = {}, root = temporaryFolder(), importDeadlineMs = 60_000) {
    const agentsDir = path.join(root, 'agents');
    mkdirSync(agentsDir, { recursive: true });
    const write = (name: string, text: string): void => {
      const file = path.join(agentsDir, name);
      writeFileSync(file, text);
      // Not just now, so that nothing but its times and size tells that it changed.
      changes += 1;
      utimesSync(file, new Date(), new Date(Date.now() - 60_000 + changes));
    };
    for (const [name, text] of Object.entries(files)) write(name, text);
    const told: string[] = [];
    const registry = createRegistry({
      ...{ db, newId, agentsDir, dataDir: path.join(root, 'data'), importDeadlineMs },
      ...outside(),
      now: () => new Date(),
      onProblem: ({ file, reason }) => told.push(`${path.basename(file)}: ${reason}`),
    });
    return {
      ...{ registry, told, root, agentsDir, write },
      version: async (name: string) => (await registry.resolve('proj_any', name))?.version ?? null,
      answer: async (versionId = '', context: Parameters<typeof agentContext>[0] = {}) =>
        await dataOf((await registry.load(versionId)).run(agentContext(context))),
    };
  }
  let changes = 0;
  let names = 0;
  const freshName = (): string => {
    names += 1;
    return `agent-${names}`;
  };

  test('built-in agents are offered by name and by id, and run', async () => {
    const { registry, version, answer } = registryOf();
    await registry.start();
    await registry.refresh();
    const echo = await registry.resolve('proj_any', 'echo');
    expect(echo?.agent).toMatchObject({ name: 'echo', kind: 'BUILT_IN', projectId: null });
    expect((await version(echo?.agent.id ?? ''))?.id).toBe(echo?.version.id);
    expect(await answer(echo?.version.id)).toMatchObject({ filename: 'a.txt' });
    expect(await version('document-report')).toMatchObject({ kind: 'BUILT_IN' });
    expect(await version('no-such-agent')).toBeNull();
    expect(await version(newId('Agent'))).toBeNull();
  });

  test('a start waits for no file; a file is looked at once its agent is asked for, or all are', async () => {
    const [good, broken] = [freshName(), freshName()];
    const { registry, told, version } = registryOf({
      [`${good}.mjs`]: `export default () => 'good';`,
      [`${broken}.mjs`]: `throw new Error('it is broken');`,
    });
    await registry.start();
    expect(told).toEqual([]);
    expect(await version('echo')).toMatchObject({ kind: 'BUILT_IN' });
    expect(await version(good)).toMatchObject({ kind: 'MODULE', version: 1 });
    expect(told).toEqual([]);
    await registry.refresh();
    expect(told).toEqual([expect.stringContaining(`${broken}.mjs`)]);
  });

  test('once it is stopped, a registry looks at no more files by itself', async () => {
    const broken = freshName();
    const { registry, told } = registryOf({ [`${broken}.mjs`]: `throw new Error('it is broken');` });
    await registry.start();
    await registry.stop();
    await registry.refresh();
    expect(told).toEqual([]);
  });

  test('a module may export a function or an object, and import files and Node modules under any name', async () => {
    const [plain, whole] = [freshName(), freshName()];
    const { registry, answer, version } = registryOf({
      [`${plain}.mjs`]: `export default () => 'plain';`,
      '_shared.ts': `export const greet = (name: string): string => 'hello ' + name;`,
      [`${whole}.ts`]: `
        import { createHash } from 'node:crypto';
        import { greet } from './_shared.ts';
        const require = globalThis.undefined;
        export default {
          description: 'Greets.',
          configSchema: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
          threaded: false,
          run({ config }: { config: { name: string } }) { return this.say(config.name) + createHash('sha1').update('').digest('hex').length; },
          say: (name: string) => greet(name),
        };`,
    });
    await registry.start();
    await registry.refresh();
    expect(registry.problems()).toEqual([]);
    expect(await answer((await version(plain))?.id)).toBe('plain');
    const found = await version(whole);
    expect(found).toMatchObject({ version: 1, kind: 'MODULE', description: 'Greets.', agentName: whole });
    expect(await answer(found?.id, { config: { name: 'you' } })).toBe('hello you40');
    expect(await version('_shared')).toBeNull();
  });

  test('a pinned version runs as it was after its file changed, on a process that never saw the old file', async () => {
    const name = freshName();
    const first = registryOf({ [`${name}.ts`]: `export default () => 'one';` });
    await first.registry.start();
    await first.registry.refresh();
    const one = await first.version(name);
    first.write(`${name}.ts`, `export default () => 'two';`);
    const two = await first.version(name);
    expect([one?.version, two?.version]).toEqual([1, 2]);
    rmSync(first.agentsDir, { recursive: true });
    const other = registryOf();
    expect(await other.answer(one?.id)).toBe('one');
    expect(await other.answer(two?.id)).toBe('two');
    expect(await first.version(name)).toBeNull();
  });

  test('a change of an imported file makes a new version without a restart, and going back offers the old one', async () => {
    const name = freshName();
    const { registry, write, version, answer } = registryOf({
      '_word.ts': `export const word = 'one';`,
      [`${name}.ts`]: `import { word } from './_word.ts'; export default () => word;`,
    });
    await registry.start();
    await registry.refresh();
    const one = await version(name);
    write('_word.ts', `export const word = 'two';`);
    const two = await version(name);
    expect(await answer(two?.id)).toBe('two');
    expect(two?.version).toBe(2);
    write('_word.ts', `export const word = 'one';`);
    expect((await version(name))?.id).toBe(one?.id);
    write('_word.ts', `export const word = ;`);
    expect(await version(name)).toBeNull();
    write('_word.ts', `export const word = 'two';`);
    expect((await version(name))?.id).toBe(two?.id);
  });

  test('a file written twice within one tick of its clock is never taken for unchanged', async () => {
    const name = freshName();
    const { registry, agentsDir, version } = registryOf({ [`${name}.js`]: `export default () => 1;` });
    await registry.start();
    await registry.refresh();
    const file = path.join(agentsDir, `${name}.js`);
    const ids = new Set<string | undefined>();
    for (let round = 0; round < 5; round += 1) {
      writeFileSync(file, `export default () => ${round};`);
      ids.add((await version(name))?.id);
    }
    expect(ids.size).toBe(5);
  });

  test('a built-in agent whose name a module had before is left out, and the module goes on', async () => {
    const { agentsDir, root } = registryOf({ 'echo.ts': `export default () => 'mine';` });
    const other = await open();
    await other
      .insertInto('agent')
      .values({ id: newId('Agent'), projectId: null, name: 'echo', kind: 'MODULE' })
      .execute();
    const told: string[] = [];
    const options = { db: other, newId, agentsDir, dataDir: root, now: () => new Date(), ...outside() };
    const registry = createRegistry({ ...options, onProblem: ({ reason }) => told.push(reason) });
    await registry.start();
    await registry.refresh();
    expect(told).toEqual(['the name echo belongs to a module agent']);
    expect((await registry.resolve('proj_any', 'echo'))?.agent.kind).toBe('MODULE');
    expect((await registry.resolve('proj_any', 'document-report'))?.agent.kind).toBe('BUILT_IN');
  });

  test('each broken module is told of with its reason, and the others are offered', async () => {
    const good = freshName();
    const broken: Record<string, [string, RegExp]> = {
      'no-syntax.ts': ['export default function( {', /no-syntax\.ts:1:\d+: Expected identifier/],
      'no-import.ts': [`import x from 'not-installed'; export default x;`, /Could not resolve "not-installed"/],
      'no-export.ts': ['export const run = () => 1;', /no default export/],
      'no-run.ts': ['export default { description: "x" };', /has no run function/],
      'throws.ts': [
        'throw new TypeError("no key"); export default () => 1;',
        /throws when imported: TypeError: no key/,
      ],
      'waits.ts': ['await new Promise(() => {}); export default () => 1;', /did not finish importing within 3 s/],
      'loops.ts': ['for (;;) {} export default () => 1;', /did not finish importing within 3 s/],
      'exits.ts': ['process.exit(0); export default () => 1;', /ended its process/],
      'schema.ts': ['export default { run() {}, configSchema: { type: "strnig" } };', /no valid JSON Schema/],
      'native.ts': [`import x from './addon.node'; export default x;`, /native addon/],
      'twice.ts': ['export default () => 1;', /twice\.ts has the same name/],
      'bad name.ts': ['export default () => 1;', /letters, digits/],
      'echo.ts': ['export default () => 1;', /belongs to a built-in agent/],
    };
    const files = Object.fromEntries(Object.entries(broken).map(([file, [text]]) => [file, text]));
    const others = { [`${good}.ts`]: 'export default () => 1;', 'twice.js': 'export default () => 1;' };
    const all = { ...files, ...others, 'addon.node': 'binary' };
    const { registry, told, version } = registryOf(all, temporaryFolder(), 3_000);
    await registry.start();
    await registry.refresh();
    const reasons = new Map(
      registry.problems().map(({ file, reason }) => [path.basename(file).replace('twice.js', 'twice.ts'), reason]),
    );
    for (const [file, [, reason]] of Object.entries(broken)) expect.soft(reasons.get(file), file).toMatch(reason);
    expect(reasons.size).toBe(Object.keys(broken).length);
    expect(told).toHaveLength(reasons.size);
    expect(await version(good)).not.toBeNull();
    expect((await registry.resolve('proj_any', 'echo'))?.agent.kind).toBe('BUILT_IN');
    await registry.refresh();
    expect(told, 'a known problem is told of once').toHaveLength(reasons.size);
  });

  test('a version that can no longer be run is a permanent DEPENDENCY error', async () => {
    const name = freshName();
    const { registry, version, answer } = registryOf({
      [`${name}.ts`]: `if (globalThis.brokenNow) throw new Error('gone'); export default { threaded: false, run: () => 1 };`,
    });
    await registry.start();
    await registry.refresh();
    const { id = '' } = (await version(name)) ?? {};
    Reflect.set(globalThis, 'brokenNow', true);
    for (const versionId of [id, newId('AgentVersion')]) {
      const error = await answer(versionId).catch((thrown: unknown) => classifyThrown(thrown));
      expect(error).toMatchObject({ code: 'agent_unavailable', category: 'DEPENDENCY', declared: false });
    }
    Reflect.deleteProperty(globalThis, 'brokenNow');
  });

  test('a module runs in a thread of agents unless it says that it need not; a thread is ended by stop', async () => {
    const [shared, own] = [freshName(), freshName()];
    const run = `run: async () => (await import('node:worker_threads')).threadId`;
    const { registry, version, answer } = registryOf({
      [`${shared}.ts`]: `export default { ${run} };`,
      [`${own}.ts`]: `export default { threaded: false, ${run} };`,
    });
    await registry.start();
    await registry.refresh();
    expect(await answer((await version(own))?.id)).toBe(threadId);
    expect(await answer((await version(shared))?.id)).not.toBe(threadId);
    await registry.stop();
    await expect(answer((await version(shared))?.id)).rejects.toThrow('stopping');
  });

  test('a source on disk that was changed is not run', async () => {
    const name = freshName();
    const { registry, version, root } = registryOf({ [`${name}.ts`]: `export default () => 'true';` });
    await registry.start();
    await registry.refresh();
    const found = await version(name);
    const file = path.join(root, 'data', 'agents-cache', `${found?.contentHash}.mjs`);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    chmodSync(file, 0o644);
    writeFileSync(file, `export default () => 'false';`);
    const other = registryOf({}, root);
    expect(await other.answer(found?.id)).toBe('true');
    expect(readFileSync(file, 'utf8')).not.toContain('false');
  });

  test('several processes that register the same new file store one version', async () => {
    const name = freshName();
    const root = temporaryFolder();
    const registries = Array.from({ length: 5 }, () => registryOf({ [`${name}.ts`]: `export default () => 1;` }, root));
    const versions = await Promise.all(registries.map(({ version }) => version(name)));
    expect(new Set(versions.map((version) => version?.id)).size).toBe(1);
    expect(versions[0]?.version).toBe(1);
  });

  test('files that are looked at while others have just been read are never taken for broken', async () => {
    const name = freshName();
    const registries = Array.from({ length: 12 }, () => registryOf({ [`${name}.ts`]: `export default () => 1;` }));
    const looks = registries.map(async ({ version }, index) => {
      for (let turn = 0; turn < index; turn += 1) await new Promise(setImmediate);
      return await version(name);
    });
    await Promise.all(looks);
    expect(registries.flatMap(({ told }) => told)).toEqual([]);
  });

  test('every problem of a config is named with its place, by either draft', async () => {
    const [newer, older] = [freshName(), freshName()];
    const properties = `{ count: { type: 'integer', minimum: 1 }, 'a/b': { enum: ['x', 'y'] } }`;
    const { registry, version } = registryOf({
      [`${newer}.ts`]: `export default { run() {}, configSchema: { type: 'object', required: ['count'], properties: ${properties}, additionalProperties: false } };`,
      [`${older}.ts`]: `export default { run() {}, configSchema: { $schema: 'http://json-schema.org/draft-07/schema#', type: 'object', properties: ${properties} } };`,
    });
    await registry.start();
    await registry.refresh();
    const check = async (name: string, config: unknown) =>
      registry.configProblems((await version(name))?.id ?? '', config);
    expect(await check(newer, { count: 1, 'a/b': 'x' })).toEqual([]);
    expect(await check(newer, undefined)).toEqual([{ path: '', message: "must have required property 'count'" }]);
    expect((await check(newer, { count: 0, 'a/b': 'z', extra: 1 })).map(({ path: place }) => place).sort()).toEqual([
      '/a~1b',
      '/count',
      '/extra',
    ]);
    expect(await check(older, { count: 'one' })).toEqual([{ path: '/count', message: 'must be integer' }]);
    expect(await check('echo', { delayMs: -1 })).toEqual([{ path: '/delayMs', message: 'must be >= 0' }]);
  });
});
