/**
 * Inputs of items that are not copied: items side by side whose elements are side by side in their datasource are one
 * row of `input_span`, which says where.
 *
 * An input is as its element was when it was frozen. Elements of a STORED datasource can be changed and deleted; a
 * trigger copies what they were into `batch_item_input` for every execution that has them, so nobody who writes elements
 * can forget to. Who writes them locks their datasource first, and who makes spans locks it FOR SHARE. What was frozen
 * before this has its copies, and stays as it is.
 *
 * The functions put the two together in the columns of `batch_item_input`; they become part of the statement that asks
 * them, so the planner sees through them.
 */
import { type Kysely, sql } from 'kysely';

/** Most items of a span: so its first ordinal, and its place, bound where it can end. */
const LONGEST = 10_000;

const SPANS = [
  `create table input_span (
    execution_id text not null,
    first integer not null check (first >= 0),
    last integer not null,
    datasource_id text not null,
    -- The position of the first element; the others follow it without a gap.
    place bigint not null,
    -- Whether some of its items have a row in batch_item_input, which is then right.
    copied boolean not null default false,
    primary key (execution_id, first),
    constraint input_span_length check (last >= first and last - first < ${LONGEST})
  )`,
  'create index input_span_place on input_span (datasource_id, place)',
];

/** The input at ordinal `o` as the element `e` of span `s` has it. */
const ELEMENT = (o: string): string => `
    s.execution_id, ${o}, e.id, e.filename, e.media_type, e.metadata, e.document_names, e.content_hash`;
const NOT_COPIED = (o: string): string => `(not s.copied or not exists (
        select from batch_item_input n where n.execution_id = s.execution_id and n.ordinal = ${o} offset 0))`;
const BETWEEN_ORDINAL = '(s.first + (e.position - s.place))::integer';

/** Keeps the elements of a relation, as they were. */
const keep = (changed: string): string => `
      with gone as materialized (
        select id, datasource_id, position, filename, media_type, metadata, document_names, content_hash
        from ${changed} as changed
      ), touched as materialized (
        select distinct s.execution_id, s.first, s.last, s.datasource_id, s.place, s.copied
        from gone e join input_span s on s.datasource_id = e.datasource_id and s.place > e.position - ${LONGEST}
          and s.place <= e.position and s.place + (s.last - s.first) >= e.position
      ), live as materialized (
        select t.* from touched t
          cross join lateral (select from batch_execution x where x.id = t.execution_id for key share) x
      ), marked as (
        update input_span s set copied = true from live
        where s.execution_id = live.execution_id and s.first = live.first and not live.copied
      )
      insert into batch_item_input (execution_id, ordinal, element_id, filename, media_type, metadata, document_names,
        content_hash)
      select ${ELEMENT(BETWEEN_ORDINAL)}
      from live s join gone e on e.datasource_id = s.datasource_id and e.position >= s.place
        and e.position <= s.place + (s.last - s.first)
      on conflict do nothing;`;

const FUNCTIONS = [
  // The input of one item.
  `create function input_at(text, integer) returns setof batch_item_input language sql stable as $$
    select n.* from batch_item_input n where n.execution_id = $1 and n.ordinal = $2
    union all
    select ${ELEMENT('$2')}
    from (
      select * from input_span where execution_id = $1 and first <= $2 order by first desc limit 1
    ) s join data_element e on e.datasource_id = s.datasource_id and e.position = s.place + ($2 - s.first)
    where s.last >= $2 and ${NOT_COPIED('$2')}
  $$`,
  // The inputs of the items from ordinal $2 to before $3. The elements of each span are looked up by themselves (OFFSET 0),
  // by the index that has them in order, whatever the statistics say of a datasource that they do not know yet.
  `create function inputs_between(text, integer, integer) returns setof batch_item_input language sql stable as $$
    select n.* from batch_item_input n where n.execution_id = $1 and n.ordinal >= $2 and n.ordinal < $3
    union all
    select ${ELEMENT(BETWEEN_ORDINAL)}
    from input_span s cross join lateral (
      select * from data_element e
      where e.datasource_id = s.datasource_id and e.position >= s.place + (greatest(s.first, $2) - s.first)
        and e.position <= s.place + (least(s.last, $3 - 1) - s.first)
      order by e.position offset 0) e
    where s.execution_id = $1 and s.first > $2 - ${LONGEST} and s.first < $3 and s.last >= $2
      and ${NOT_COPIED(BETWEEN_ORDINAL)}
  $$`,
  // Copies what elements were for the items made of them. Their executions are kept from being deleted meanwhile, and those
  // that are deleted are left alone: what is left of them is swept once.
  `create function keep_inputs() returns trigger language plpgsql as $$
  begin
    if tg_op = 'DELETE' then
      ${keep('before')}
    else
      ${keep(`(
        select b.* from before b join after a on a.datasource_id = b.datasource_id and a.position = b.position
        where (b.id, b.filename, b.media_type, b.metadata::text, b.document_names::text, b.content_hash)
          is distinct from (a.id, a.filename, a.media_type, a.metadata::text, a.document_names::text, a.content_hash))`)}
    end if;
    return null;
  end $$`,
];

const TRIGGERS = [
  `create trigger data_element_update_keeps_inputs after update on data_element
    referencing old table as before new table as after for each statement execute function keep_inputs()`,
  `create trigger data_element_delete_keeps_inputs after delete on data_element
    referencing old table as before for each statement execute function keep_inputs()`,
];

/** For those who look into the database: every input, wherever it is kept. */
const VIEW = `create view every_input as
    select n.* from batch_execution x cross join lateral inputs_between(x.id, 0, x.total) n`;

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [...SPANS, ...FUNCTIONS, ...TRIGGERS, VIEW]) await sql.raw(statement).execute(db);
}
