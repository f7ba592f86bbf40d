/**
 * Templates of messages: Mustache without escaping, partials and changed delimiters.
 *
 * `{{name}}` puts a value in, `{{#name}}…{{/name}}` repeats or keeps a part, `{{^name}}…{{/name}}` is for what is
 * absent, `{{! … }}` is left out. A name is a dotted path of own fields, `{{.}}` the entry of a repeated part. Only
 * the library's parser is used: its renderer writes nothing where a field is missing, and looks into prototypes.
 */
import mustache, { type TemplateSpans } from 'mustache';
import { promptError } from './chat-error.ts';

/** A parsed template. */
export interface Template {
  readonly spans: TemplateSpans;
  /** Every name that it mentions, dotted as written, in sections too. */
  readonly names: ReadonlySet<string>;
}

/** Why a text is no template; `message` says where. */
export class TemplateError extends Error {}

/** Characters between the braces of one tag. */
const TAG_LENGTH = 300;
const NAME = /^(?:\.|[^\s.{}]+(?:\.[^\s.{}]+)*)$/u;
/** Parts that are gone through for one message, nested repetitions multiplied, written or left out. */
const MAX_STEPS = 100_000;
/** Sections within each other: a name is looked for in all that are around it. */
const MAX_DEPTH = 20;

/**
 * Parses a template whose names outside repeated parts start with one of `roots`.
 *
 * Throws TemplateError, for what Mustache has and this has not, too.
 */
export function parseTemplate(text: string, roots: ReadonlySet<string>): Template {
  checkTags(text);
  const names = new Set<string>();
  // A writer of its own keeps no template: the library's would keep all that it ever saw.
  const spans = parseSpans(text);
  noteNames(spans, roots, names, 0);
  return { spans, names };
}

/** Whether the template mentions a field of the context itself, e.g. `text`. */
export const mentions = (template: Template, root: string): boolean =>
  [...template.names].some((name) => name === root || name.startsWith(`${root}.`));

/** Looks at every tag before the library does, whose search for ends of tags can be made quadratic. */
function checkTags(text: string): void {
  for (let at = text.indexOf('{{'); at >= 0; at = text.indexOf('{{', at)) {
    const end = text.indexOf('}}', at);
    const where = `at character ${at + 1}`;
    if (end < 0 || end - at - 2 > TAG_LENGTH) {
      throw new TemplateError(`the tag ${where} does not end within ${TAG_LENGTH} characters`);
    }
    const kind = /\S/.exec(text.slice(at + 2, end))?.[0];
    if (kind === '{') throw new TemplateError(`{{{ ${where} is not needed: nothing is escaped, write {{name}}`);
    if (kind === '=' || kind === '>') {
      throw new TemplateError(`the tag {{${kind} ${where} is not supported: neither partials nor other delimiters are`);
    }
    at = end + 2;
  }
}

function parseSpans(text: string): TemplateSpans {
  try {
    return new mustache.Writer().parse(text);
  } catch (error) {
    throw new TemplateError(error instanceof Error ? error.message : 'cannot be parsed');
  }
}

function noteNames(spans: TemplateSpans, roots: ReadonlySet<string>, names: Set<string>, depth: number): void {
  if (depth > MAX_DEPTH) throw new TemplateError(`more than ${MAX_DEPTH} sections are within each other`);
  for (const [kind, name, , , inner] of spans) {
    if (kind === 'text' || kind === '!') continue;
    if (!NAME.test(name)) throw new TemplateError(`${JSON.stringify(name)} is not a name`);
    const [root = ''] = name.split('.', 1);
    if (depth === 0 && !roots.has(root)) {
      throw new TemplateError(`there is no field ${JSON.stringify(name)}; there are ${[...roots].join(', ')}`);
    }
    names.add(name);
    if (Array.isArray(inner)) noteNames(inner, roots, names, depth + 1);
  }
}

/**
 * The text that a template makes of a context.
 *
 * Texts go in as they are, numbers and booleans as written in JSON, lists and objects as JSON. A field that is
 * missing or null where its value is to be written is a VALIDATION ChatError that names it; in `{{#name}}` and
 * `{{^name}}` it counts as absent. Longer than `maxLength` is an error too.
 */
export function render(template: Template, context: object, maxLength: number): string {
  const out = new Output(maxLength);
  write(template.spans, [context], out);
  return out.text;
}

class Output {
  readonly #maxLength: number;
  #steps = 0;
  text = '';
  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }
  step(): void {
    this.#steps += 1;
    if (this.#steps > MAX_STEPS) throw promptError('prompt_too_long', `The message has more than ${MAX_STEPS} parts.`);
  }
  add(part: string): void {
    if (this.text.length + part.length > this.#maxLength) {
      throw promptError('prompt_too_long', `The message is longer than ${this.#maxLength} characters.`);
    }
    this.text += part;
  }
}

/** Writes the spans; `scopes` are the contexts from the outermost to the innermost. */
function write(spans: TemplateSpans, scopes: readonly unknown[], out: Output): void {
  for (const [kind, value, , , inner] of spans) {
    out.step();
    if (kind === 'text') out.add(value);
    else if (kind === 'name' || kind === '&') out.add(textOf(lookUp(value, scopes), value));
    else if (Array.isArray(inner)) writeSection(kind, lookUp(value, scopes), inner, scopes, out);
  }
}

function writeSection(
  kind: string,
  value: unknown,
  inner: TemplateSpans,
  scopes: readonly unknown[],
  out: Output,
): void {
  const absent = value === undefined || value === null || value === false || value === '';
  const entries = Array.isArray(value) ? value : absent ? [] : [value];
  if (kind === '^') {
    if (entries.length === 0) write(inner, scopes, out);
    return;
  }
  for (const entry of entries) {
    out.step();
    write(inner, [...scopes, entry], out);
  }
}

/** The value of a dotted name: its first part in the innermost scope that has it. Own fields only. */
function lookUp(name: string, scopes: readonly unknown[]): unknown {
  if (name === '.') return scopes.at(-1);
  const [root = '', ...rest] = name.split('.');
  const scope = scopes.findLast((one) => has(one, root));
  return rest.reduce(ownField, ownField(scope, root));
}

const has = (value: unknown, key: string): value is object =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key);

const ownField = (value: unknown, key: string): unknown => (has(value, key) ? Reflect.get(value, key) : undefined);

function textOf(value: unknown, name: string): string {
  if (typeof value === 'string') return value;
  if (value === undefined || value === null) {
    throw promptError('missing_field', `The item has no ${JSON.stringify(name)}, which the message needs.`, {
      field: name,
    });
  }
  return JSON.stringify(value);
}
