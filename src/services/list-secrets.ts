import type { Actor, Secret } from '../domain/model.ts';
import type { Page } from '../domain/page.ts';
import * as store from '../store/secrets.ts';
import type { ServiceDeps } from './ports.ts';

/** A page of the project's secrets by name, without their values. */
export const listSecrets = (
  { db }: Pick<ServiceDeps, 'db'>,
  { projectId }: Actor,
  page: Page,
): Promise<readonly Secret[]> => store.listSecrets(db, projectId, page);
