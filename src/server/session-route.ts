/** `POST /session`: a one-time token in, a key for the browser out. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import type { LoginTokens } from './login-links.ts';
import { errorBody, sendJson } from './responses.ts';

/** Makes the browser's key; null while there is no project for it. */
export type OpenSession = () => Promise<{ readonly key: string; readonly expiresAt: Date } | null>;

const bodySchema = z.object({ token: z.string().min(1).max(200) });

/** Answers `{ key, expiresAt }` once for each token, and UNAUTHENTICATED from then on. */
export async function exchangeToken(
  request: IncomingMessage,
  response: ServerResponse,
  tokens: LoginTokens,
  openSession: OpenSession,
): Promise<void> {
  const body = bodySchema.safeParse(parsed(await text(request)));
  const session = body.success && tokens.use(body.data.token) ? await openSession() : null;
  if (session === null) {
    sendJson(
      response,
      401,
      errorBody('UNAUTHENTICATED', 'This link was used before, or is from an earlier start of the service.'),
    );
  } else {
    sendJson(response, 200, session);
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}
