/** Which role may do what a lower one may not. */
import { type Actor, KEY_ROLES, type KeyRole } from '../domain/model.ts';
import { ForbiddenError } from '../domain/user-error.ts';

/** Whether a role includes another. */
export const includesRole = (role: KeyRole, other: KeyRole): boolean =>
  KEY_ROLES.indexOf(role) >= KEY_ROLES.indexOf(other);

/** Throws ForbiddenError unless the actor's role includes the one that is needed. */
export function requireRole(actor: Actor, role: KeyRole): void {
  if (!includesRole(actor.role, role)) {
    throw new ForbiddenError(`This needs a key of role ${role}; this key's role is ${actor.role}.`);
  }
}
