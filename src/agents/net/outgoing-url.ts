/** Which URLs may be called, whoever asks. */
import { OutgoingError } from './outgoing-error.ts';

/** The URL, if it is one that may be called. Throws OutgoingError `url_refused`. */
export function checkedUrl(given: string | URL): URL {
  const url = URL.parse(String(given));
  const problem = url === null ? 'is not a URL' : urlProblem(url);
  if (url === null || problem !== null) throw new OutgoingError('url_refused', `The URL ${problem}.`);
  return url;
}

/** Why a URL cannot be called whoever asks, to follow "the URL"; null when it can. */
export function urlProblem(url: URL): string | null {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must start with https:// or http://';
  if (url.username !== '' || url.password !== '') return 'must not carry a user name or password';
  return null;
}
