/** From an agent's file to a stored version that can be offered. */
import type { IdMaker } from '../domain/ids.ts';
import type { Agent, AgentKind, AgentVersion } from '../domain/model.ts';
import { obtainSharedAgent, obtainVersion } from '../store/agents.ts';
import type { Db } from '../store/database.ts';
import { AgentFileError } from './agent-file-error.ts';
import type { Bundle } from './bundle.ts';
import type { AgentDescription } from './module-shape.ts';
import type { SourceCache } from './source-cache.ts';

/** What storing a version takes. */
export interface RegistrationDeps {
  readonly db: Db;
  readonly newId: IdMaker;
  readonly now: () => Date;
  readonly cache: SourceCache;
}

/** An agent in the version that its file has now. */
export interface Offer {
  readonly agent: Agent;
  readonly version: AgentVersion;
}

/** The name was taken before by an agent of the other kind. */
export class NameTakenError extends AgentFileError {
  constructor(name: string, kind: AgentKind) {
    super(`the name ${name} belongs to a ${kind === 'BUILT_IN' ? 'built-in' : 'module'} agent`);
  }
}

/**
 * Stores what a bundle is, unless it is stored already, and answers it.
 *
 * `describe` imports the module and says what it exports. The same content is the same version, whoever stored it;
 * new content is the next one. Throws AgentFileError when the module cannot be offered.
 */
export async function registerBundle(
  { db, newId, now, cache }: RegistrationDeps,
  { name, kind }: { name: string; kind: AgentKind },
  { source, contentHash }: Bundle,
  describe: (file: string) => Promise<AgentDescription>,
): Promise<Offer> {
  const { configSchema, description } = await describe(await cache.fileOf(contentHash, source));
  if (configSchema !== null) {
    // Late, because what goes on after a restart is registered already.
    const { compileSchema } = await import('./config-schema.ts');
    compileSchema(JSON.parse(configSchema));
  }
  const agent = await obtainSharedAgent(db, { id: newId('Agent'), name, kind, createdAt: now() });
  if (agent.kind !== kind) {
    throw new NameTakenError(name, agent.kind);
  }
  const stored = { contentHash, source, configSchema, description, createdAt: now() };
  const version = await obtainVersion(db, { id: newId('AgentVersion'), agentId: agent.id, ...stored });
  return { agent, version };
}
