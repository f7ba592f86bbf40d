/** One-time links: the token in the fragment, which no browser sends to a server, becomes a key of the page's own. */
import { createHash, randomBytes } from 'node:crypto';

/** Tokens that were handed out and not used yet; they end with the process. */
export class LoginTokens {
  readonly #open = new Set<string>();

  /** A new token, good for one exchange. */
  make(): string {
    const token = randomBytes(32).toString('base64url');
    this.#open.add(fingerprint(token));
    return token;
  }

  /** Whether the token was good; it is not any more. */
  use(token: string): boolean {
    return this.#open.delete(fingerprint(token));
  }
}

/** Kept in place of the token, so that comparing takes no time that depends on it. */
const fingerprint = (token: string): string => createHash('sha256').update(token).digest('base64');
