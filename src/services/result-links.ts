/** Links to results that open without a key, for a while: what a browser can follow. */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { LIMITS } from '../domain/limits.ts';
import type { Actor } from '../domain/model.ts';
import { UnauthenticatedError } from '../domain/user-error.ts';
import { validKeyIds } from '../store/api-keys.ts';
import type { ResultLinks, ServiceDeps } from './ports.ts';

const TOKEN =
  /^([0-9a-z]{1,12})\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{43})$/;

/** Links signed with a key that is derived from the service's secret, so that they outlive a restart. */
export function createResultLinks(secretKey: string): ResultLinks {
  const key = Buffer.from(hkdfSync('sha256', secretKey, '', 'batchyard links to results', 32));
  const signatureOf = (executionId: string, claims: string): string =>
    createHmac('sha256', key).update(`${executionId}\n${claims}`).digest('base64url');
  return {
    sign: ({ keyId, customerId, projectId }, executionId, now) => {
      const expires = Math.floor(now.getTime() / 1_000) + LIMITS.resultsUrlMinutes * 60;
      const claims = [expires.toString(36), keyId, customerId, projectId].join('.');
      return `${claims}.${signatureOf(executionId, claims)}`;
    },
    open: (token, executionId, now) => {
      const [, expires = '', keyId = '', customerId = '', projectId = '', signature = ''] = TOKEN.exec(token) ?? [];
      const right = signatureOf(executionId, [expires, keyId, customerId, projectId].join('.'));
      if (signature.length !== right.length || !timingSafeEqual(Buffer.from(signature), Buffer.from(right)))
        return null;
      if (Number.parseInt(expires, 36) * 1_000 <= now.getTime()) return null;
      return { keyId, role: 'READER', customerId, projectId };
    },
  };
}

/** Who follows a link. Throws UnauthenticatedError when the token has expired, was altered, or its key was revoked. */
export async function openResultLink(
  { db, now, resultLinks }: Pick<ServiceDeps, 'db' | 'now' | 'resultLinks'>,
  token: string,
  executionId: string,
): Promise<Actor> {
  const at = now();
  const actor = resultLinks.open(token, executionId, at);
  if (actor !== null && (await validKeyIds(db, [actor.keyId], at)).has(actor.keyId)) return actor;
  throw new UnauthenticatedError('This link is not valid, or not any more. Ask for a new resultsUrl.');
}
