/**
 * The agents that can be run: built-in ones, and the modules of the agents folder.
 *
 * Every agent is a file that is bundled, and its version is the hash of the bundle, whose source is stored: so a
 * pinned version runs as it was, here and on other nodes, whatever became of its file. What `resolve` gives is the
 * version of the file as it is now: a file that goes back to old content is offered as that old version again, and
 * a file that is broken or gone is not offered at all (what is pinned goes on running).
 */
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type IdMaker, nodeTypeOf } from '../domain/ids.ts';
import type { AgentCatalog } from '../services/ports.ts';
import { findAgent, findVersion } from '../store/agents.ts';
import type { Db } from '../store/database.ts';
import type { SecretBox } from '../store/secret-box.ts';
import { listAgentFiles } from './agent-files.ts';
import { bundleFile } from './bundle.ts';
import type { ConfigCheck } from './config-schema.ts';
import { createLoader, type LoadAgent } from './loader.ts';
import { createModuleFiles, type FileProblem } from './module-files.ts';
import { readModule } from './module-shape.ts';
import type { Outgoing } from './net/outgoing.ts';
import { probeModule } from './probe.ts';
import { NameTakenError, type Offer, registerBundle } from './registration.ts';
import { createSecretReader } from './secrets.ts';
import { createSourceCache } from './source-cache.ts';
import type { CheckingAgentDeps } from './stored-agent.ts';
import { storedKind } from './stored-kinds.ts';
import { AgentThreads, type ThreadDeath } from './threads/agent-threads.ts';

/** What the registry is made from. */
export interface RegistryOptions {
  readonly db: Db;
  readonly newId: IdMaker;
  readonly now: () => Date;
  /** The folder of module agents; it need not be there. */
  readonly agentsDir: string;
  readonly dataDir: string;
  /** Opens the secrets that agents' configs name; agents that projects store need it. */
  readonly secretBox: SecretBox;
  /** The way out of agents that projects store. */
  readonly outgoing: Outgoing;
  /** Checks what they answer, and the configs that they are given. */
  readonly outputs: CheckingAgentDeps['outputs'];
  /** Told of each file that cannot be loaded, once per reason. */
  readonly onProblem: (problem: FileProblem) => void;
  /** How long a module may take to import; 10 s unless given. */
  readonly importDeadlineMs?: number;
  /** How many threads module agents share; one for each core unless given. */
  readonly threads?: number | null;
  /** Told of each of these threads that crashed or had to be ended. */
  readonly onThreadDeath?: (death: ThreadDeath) => void;
}

/** The catalogue of agents, and the way to their code. */
export interface AgentRegistry extends AgentCatalog {
  readonly load: LoadAgent;
  /** Registers the built-in agents; from then on every agent is found. A module's file is looked at when it is asked for. */
  start(): Promise<void>;
  /** Ends the threads of agents; resolves when they are gone and no file is being looked at. */
  stop(): Promise<void>;
}

const BUILT_IN_DIR = fileURLToPath(new URL('./built-in', import.meta.url));

/** Makes a registry; nothing is read before `start`. */
export function createRegistry(options: RegistryOptions): AgentRegistry {
  const { db, newId, now, onProblem, importDeadlineMs = 10_000 } = options;
  const cache = createSourceCache(options.dataDir);
  const threads = new AgentThreads({ threads: options.threads ?? null, onDeath: options.onThreadDeath });
  const deps = { db, newId, now, cache };
  const builtIns = new Map<string, Offer>();
  const checks = new Map<string, ConfigCheck>();
  const modules = createModuleFiles(
    path.resolve(options.agentsDir),
    (name, bundle) =>
      registerBundle(deps, { name, kind: 'MODULE' }, bundle, (file) => probeModule(file, importDeadlineMs)),
    onProblem,
  );

  async function startBuiltIns(): Promise<void> {
    const describe = async (bundled: string) => readModule(await import(pathToFileURL(bundled).href));
    for (const [name, [file = '']] of await listAgentFiles(BUILT_IN_DIR)) {
      try {
        builtIns.set(name, await registerBundle(deps, { name, kind: 'BUILT_IN' }, await bundleFile(file), describe));
      } catch (error) {
        // An operator's module had the name before the service brought an agent of this name: the module keeps it.
        if (!(error instanceof NameTakenError)) throw error;
        onProblem({ file, reason: error.message });
      }
    }
  }

  const readSecret = createSecretReader(db, options.secretBox, now);
  const load = createLoader(db, cache, threads, (projectId) => ({
    secrets: (name) => readSecret(projectId, name),
    openFetch: options.outgoing.openFetch,
    now,
    outputs: options.outputs,
  }));

  return {
    load,
    start: startBuiltIns,
    async stop() {
      await threads.stop();
      await modules.quiet();
    },
    refresh: () => modules.lookAtAll(),
    async resolve(projectId, reference) {
      const byId = nodeTypeOf(reference) === 'Agent';
      const agent = await findAgent(db, projectId, byId ? { id: reference } : { name: reference });
      if (agent?.currentVersionId != null) {
        const version = await findVersion(db, agent.currentVersionId);
        return version === null ? null : { agent, version };
      }
      const name = byId ? agent?.name : reference;
      return name === undefined ? null : (builtIns.get(name) ?? (await modules.look(name)));
    },
    configOf(kind) {
      const stored = storedKind(kind);
      if (stored === null) throw new Error(`Agents of kind ${kind} have no config of their own.`);
      return stored.schema;
    },
    schemasIn: (kind, config) => storedKind(kind)?.schemasIn?.(config) ?? [],
    async configProblems(versionId, config) {
      const known = checks.get(versionId);
      if (known !== undefined) return known(config);
      const version = await findVersion(db, versionId);
      const schema = version?.configSchema ?? null;
      // A project's schema is a user's program: it never runs in the thread that serves everyone.
      if (version !== null && storedKind(version.kind) !== null) {
        if (schema === null) return [];
        const parts = { data: JSON.stringify(config ?? {}), artifacts: null };
        return (await options.outputs.misses({ outputSchema: schema }, parts)).fieldErrors;
      }
      const { compileSchema } = await import('./config-schema.ts');
      const check = compileSchema(schema);
      checks.set(versionId, check);
      return check(config);
    },
    async messageProblem(versionId, message) {
      const version = await findVersion(db, versionId);
      return (version && storedKind(version.kind)?.messageProblem?.(message)) ?? null;
    },
    problems: () => modules.problems(),
  };
}
