/** What docs/coverage.md claims, compared with the tests and the schema that there are. */
import {
  type GraphQLField,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
} from 'graphql';

const STATES = ['done', 'not done', 'later issue'];
const ROWS = 80;
const PROOF = /^(test\/\S+\.test\.ts): "(.+)"$/;

/** What can be looked up: the text of a file by its path, null when it is not there; and the schema. */
export interface CoverageSources {
  readonly fileText: (path: string) => string | null;
  readonly schema: GraphQLSchema;
}

/** Every claim of the table that does not hold, in words; none when it is true. */
export function coverageProblems(markdown: string, { fileText, schema }: CoverageSources): string[] {
  const rows = markdown.split('\n').flatMap((line) => {
    const cells = line.split('|').map((cell) => cell.trim());
    return /^\d+$/.test(cells[1] ?? '') ? [{ number: Number(cells[1]), cells: cells.slice(2, -1) }] : [];
  });
  const problems = rows.flatMap(({ number, cells }) =>
    rowProblems(cells).map((problem) => `row ${number}: ${problem}`),
  );
  const numbers = rows.map(({ number }) => number);
  if (numbers.join() !== Array.from({ length: ROWS }, (_, index) => index + 1).join()) {
    problems.push(`the rows are not 1 to ${ROWS}: ${numbers.join()}`);
  }
  return problems;

  function rowProblems(cells: readonly string[]): string[] {
    const [requirement = '', state = '', names = '', proof = '', ...more] = cells;
    const spans = [requirement, names, proof].flatMap((cell) =>
      [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text),
    );
    const proofs = spans.filter((span) => span.startsWith('test/'));
    const reason = proof.replaceAll(/`[^`]*`/g, '');
    return [
      ...(requirement === '' || more.length > 0 ? ['it has not five cells'] : []),
      ...(STATES.includes(state) ? [] : [`no such state: ${state}`]),
      ...(state === 'done' && proofs.length === 0 ? ['done, and no test proves it'] : []),
      ...(state !== 'done' && !/[a-z]{2,} .+\.$/.test(reason) ? [`${state}, and no reason`] : []),
      ...spans.flatMap((span) => (span.startsWith('test/') ? proofProblems(span) : nameProblems(span))),
    ];
  }

  function proofProblems(span: string): string[] {
    const [, path = '', name = ''] = PROOF.exec(span) ?? [];
    if (path === '') return [`no file and name: ${span}`];
    const text = fileText(path);
    if (text === null) return [`no such file: ${path}`];
    return testNames(text).some((given) => isNameOf(given, name)) ? [] : [`no test in ${path} is called: ${name}`];
  }

  function nameProblems(span: string): string[] {
    const [, name = '', argNames = ''] = /^([A-Za-z_.]+)(?:\(([A-Za-z, ]+)\))?$/.exec(span) ?? [];
    const [owner = '', member] = name.split('.');
    const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
    if (member === undefined && argNames === '' && schema.getType(owner)) return [];
    const field = member === undefined ? roots.map((root) => root?.getFields()[owner]).find(Boolean) : null;
    const found = field ?? (member === undefined ? null : memberOf(schema, owner, member));
    if (!found) return [`not in the schema: ${span}`];
    const args = argumentsOf(found);
    return argNames
      .split(', ')
      .flatMap((arg) => (arg === '' || args.includes(arg) ? [] : [`no argument ${arg}: ${span}`]));
  }
}

/** The names of the tests in a file's text, with their placeholders. */
function testNames(text: string): string[] {
  const quoted = /(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/.source;
  // `test('…'`, and the second call of `test.each(…)('…'`.
  const calls = new RegExp(String.raw`(?:^\s*test(?:\.\w+)*\(|\)\()\s*${quoted}\s*,`, 'gm');
  return [...text.matchAll(calls)].map(([, single, double, template]) =>
    (single ?? double ?? template ?? '').replaceAll(/\\(['"`])/g, '$1'),
  );
}

/** Whether a claim names this test; of one with placeholders a beginning before them, and `…`, is enough. */
function isNameOf(given: string, claimed: string): boolean {
  const [fixed = ''] = given.split(/[%$]/);
  return given === claimed || (fixed !== given && claimed.endsWith('…') && fixed.startsWith(claimed.slice(0, -1)));
}

type Member = GraphQLField<unknown, unknown> | { readonly args?: undefined };

function memberOf(schema: GraphQLSchema, owner: string, member: string): Member | null {
  const type = schema.getType(owner);
  if (isObjectType(type) || isInterfaceType(type)) return type.getFields()[member] ?? null;
  if (isInputObjectType(type)) return type.getFields()[member] === undefined ? null : {};
  return isEnumType(type) && type.getValue(member) ? {} : null;
}

/** The arguments of a field; of a mutation those of its `input`. */
function argumentsOf({ args = [] }: Member): string[] {
  const [first] = args;
  const input = first?.name === 'input' && 'ofType' in first.type ? first.type.ofType : null;
  return isInputObjectType(input) ? Object.keys(input.getFields()) : args.map(({ name }) => name);
}
