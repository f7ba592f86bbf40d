/** Agents and their versions. */
import type { Agent, AgentKind, AgentVersion } from '../domain/model.ts';
import type { Page } from '../domain/page.ts';
import type { Db } from './database.ts';
import { keysetPage } from './keyset.ts';
import { named } from './statement-name.ts';

const AGENT_COLUMNS = ['id', 'projectId', 'name', 'kind', 'currentVersionId', 'createdAt'] as const;

/** A version to store; `configSchema` is JSON text. */
export interface NewVersion {
  readonly id: string;
  readonly agentId: string;
  readonly contentHash: string;
  readonly source: string | null;
  readonly configSchema: string | null;
  readonly description: string | null;
  /** HTTP and CHAT: the config as JSON text. */
  readonly config?: string | null;
  readonly createdAt: Date;
}

/** The agent of this name that every project is offered; stored now unless it is there, whoever stored it. */
export async function obtainSharedAgent(
  db: Db,
  agent: Pick<Agent, 'id' | 'name' | 'kind' | 'createdAt'>,
): Promise<Agent> {
  await named(db, 'obtainSharedAgent')
    .insertInto('agent')
    .values({ ...agent, projectId: null })
    .onConflict((conflict) => conflict.columns(['projectId', 'name']).where('deletedAt', 'is', null).doNothing())
    .execute();
  return await named(db, 'obtainSharedAgent')
    .selectFrom('agent')
    .select(AGENT_COLUMNS)
    .where('name', '=', agent.name)
    .where('projectId', 'is', null)
    .executeTakeFirstOrThrow();
}

/** The agent's version with this content: the stored one, or a new one with the next number. */
export async function obtainVersion(db: Db, version: NewVersion): Promise<AgentVersion> {
  for (;;) {
    const stored = await selectVersion(db)
      .where('v.agentId', '=', version.agentId)
      .where('v.contentHash', '=', version.contentHash)
      .executeTakeFirst();
    if (stored !== undefined) return stored;
    const { newest } = await named(db, 'obtainVersion')
      .selectFrom('agentVersion')
      .select(({ fn }) => fn.max<number | null>('version').as('newest'))
      .where('agentId', '=', version.agentId)
      .executeTakeFirstOrThrow();
    // Another process may take the number or store the same content first; then look again.
    await named(db, 'obtainVersion')
      .insertInto('agentVersion')
      .values({ ...version, version: (newest ?? 0) + 1 })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
}

/** A version by its id, or null. Agents are offered to every project, so no project is asked for. */
export async function findVersion(db: Db, id: string): Promise<AgentVersion | null> {
  return (await selectVersion(db).where('v.id', '=', id).executeTakeFirst()) ?? null;
}

/** The versions with these ids that the project may see, in no order. */
export async function findVersions(
  db: Db,
  projectId: string,
  ids: readonly string[],
): Promise<readonly AgentVersion[]> {
  if (ids.length === 0) return [];
  return await selectVersion(db)
    .where('v.id', 'in', ids)
    .where((eb) => eb.or([eb('a.projectId', 'is', null), eb('a.projectId', '=', projectId)]))
    .execute();
}

/** What is needed to run a version: the source of a module, or the config of an agent that a project stored. */
export interface VersionSource {
  readonly agentName: string;
  readonly kind: AgentKind;
  readonly projectId: string | null;
  readonly contentHash: string;
  readonly source: string | null;
  readonly config: unknown;
}

/** What is needed to run a version, or null when it is not stored. */
export async function findVersionSource(db: Db, id: string): Promise<VersionSource | null> {
  const row = await named(db, 'findVersionSource')
    .selectFrom('agentVersion as v')
    .innerJoin('agent as a', 'a.id', 'v.agentId')
    .select(['a.name as agentName', 'a.kind', 'a.projectId', 'v.contentHash', 'v.source', 'v.config'])
    .where('v.id', '=', id)
    .executeTakeFirst();
  return row ?? null;
}

/** A page of an agent's versions, newest first. */
export async function listVersions(db: Db, agentId: string, page: Page): Promise<readonly AgentVersion[]> {
  return await keysetPage(selectVersion(db).where('v.agentId', '=', agentId), ['v.version'], page, true).execute();
}

/** The agent with this id or name that the project may use, its own before a shared one; null when there is none. */
export async function findAgent(
  db: Db,
  projectId: string,
  reference: { id: string } | { name: string },
): Promise<Agent | null> {
  const query = named(db, 'findAgent')
    .selectFrom('agent')
    .select(AGENT_COLUMNS)
    .where((eb) => eb.or([eb('projectId', 'is', null), eb('projectId', '=', projectId)]))
    .where('deletedAt', 'is', null)
    .orderBy('projectId', (order) => order.asc().nullsLast())
    .limit(1);
  const row = await ('id' in reference
    ? query.where('id', '=', reference.id)
    : query.where('name', '=', reference.name)
  ).executeTakeFirst();
  return row ?? null;
}

/** A page of the agents that the project may use, by name. */
export async function listAgents(db: Db, projectId: string, page: Page): Promise<readonly Agent[]> {
  const query = named(db, 'listAgents')
    .selectFrom('agent')
    .select(AGENT_COLUMNS)
    .where((eb) => eb.or([eb('projectId', 'is', null), eb('projectId', '=', projectId)]))
    .where('deletedAt', 'is', null);
  return await keysetPage(query, ['name', 'id'], page).execute();
}

function selectVersion(db: Db) {
  return named(db, 'selectVersion')
    .selectFrom('agentVersion as v')
    .innerJoin('agent as a', 'a.id', 'v.agentId')
    .select([
      'v.id',
      'v.agentId',
      'a.name as agentName',
      'a.kind as kind',
      'v.version',
      'v.contentHash',
      'v.description',
      'v.configSchema',
      'v.config',
      'v.createdAt',
    ])
    .$castTo<Omit<AgentVersion, 'kind'> & { kind: AgentKind }>();
}
