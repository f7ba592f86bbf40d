/** Media types: how one is written, matched by a pattern, and guessed from a filename. */
import { lookup } from 'mime-types';

const TOKEN = '[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}';
const MEDIA_TYPE = new RegExp(`^${TOKEN}/${TOKEN}(?:\\s*;.{0,200})?$`);
const PATTERN = new RegExp(`^(?:\\*/\\*|${TOKEN}/(?:\\*|${TOKEN}))$`);

/** Whether a text is a media type, with or without parameters. */
export const isMediaType = (text: string): boolean => MEDIA_TYPE.test(text);

/** Whether a text is a media type without parameters, or one whose subtype (or both parts) is `*`. */
export const isMediaTypePattern = (text: string): boolean => PATTERN.test(text);

/** A test for media types against a pattern: letter case and parameters do not count. */
export function mediaTypeMatcher(pattern: string): (mediaType: string) => boolean {
  const wanted = pattern.toLowerCase();
  if (wanted === '*/*') return () => true;
  if (wanted.endsWith('/*')) return (mediaType) => essence(mediaType).startsWith(wanted.slice(0, -1));
  return (mediaType) => essence(mediaType) === wanted;
}

/** The media type that a filename's extension stands for, or the fallback. */
export function mediaTypeOf(filename: string, fallback = 'application/octet-stream'): string {
  const extension = /\.([^./\\]+)$/.exec(filename)?.[1];
  // `lookup` takes a bare "md" for an extension, so a file named `md` would pass for Markdown.
  return (extension !== undefined && lookup(`.${extension}`)) || fallback;
}

function essence(mediaType: string): string {
  const end = mediaType.indexOf(';');
  return (end < 0 ? mediaType : mediaType.slice(0, end)).trim().toLowerCase();
}
