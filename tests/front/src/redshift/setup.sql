-- What Redshift has built in, in a schema that every connection searches last.
create schema front;

create table front.sys_load_error_detail (
  user_id integer not null default 100,
  query_id bigint not null,
  transaction_id bigint,
  session_id integer,
  database_name char(64),
  table_id integer,
  start_time timestamp not null default (now() at time zone 'UTC'),
  file_name char(256),
  line_number bigint,
  column_name char(127),
  column_type char(10),
  column_length char(10),
  position integer,
  error_code integer,
  error_message char(512)
);

create function front.pg_last_copy_count() returns bigint stable language sql
  as $$ select coalesce(nullif(current_setting('front.copy_count', true), ''), '0')::bigint $$;
create function front.pg_last_copy_id() returns bigint stable language sql
  as $$ select coalesce(nullif(current_setting('front.copy_id', true), ''), '-1')::bigint $$;
create function front.pg_last_query_id() returns bigint stable language sql
  as $$ select coalesce(nullif(current_setting('front.query_id', true), ''), '-1')::bigint $$;

create function front.json_parse(text) returns jsonb immutable strict language sql
  as $$ select $1::jsonb $$;
create function front.len(text) returns integer immutable strict language sql
  as $$ select length($1) $$;
create function front.nvl2(anyelement, anyelement, anyelement) returns anyelement immutable
  language sql as $$ select case when $1 is not null then $2 else $3 end $$;
create function front.charindex(text, text) returns integer immutable strict language sql
  as $$ select strpos($2, $1) $$;

create function front.dateadd(text, bigint, timestamp) returns timestamp immutable strict
  language sql as $$ select $3 + $2 * case $1
    when 'quarter' then interval '3 months' else ('1 ' || $1)::interval end $$;
create function front.datediff(text, timestamp, timestamp) returns bigint immutable strict
  language sql as $$ select case
    when $1 in ('year', 'years', 'y', 'yr') then extract(year from $3) - extract(year from $2)
    when $1 in ('quarter', 'quarters', 'qtr') then
      (extract(year from $3) - extract(year from $2)) * 4
      + extract(quarter from $3) - extract(quarter from $2)
    when $1 in ('month', 'months', 'mon') then
      (extract(year from $3) - extract(year from $2)) * 12
      + extract(month from $3) - extract(month from $2)
    else extract(epoch from date_trunc($1, $3) - date_trunc($1, $2)) / extract(epoch from
      ('1 ' || $1)::interval)
    end::bigint $$;

create view front.svv_tables as
  select table_catalog, table_schema, table_name, table_type, null::varchar as remarks
  from information_schema.tables where table_schema <> 'front';
create view front.svv_columns as
  select table_catalog, table_schema, table_name, column_name, ordinal_position, column_default,
         is_nullable, case data_type when 'jsonb' then 'super' else data_type end as data_type,
         character_maximum_length, numeric_precision, numeric_precision_radix, numeric_scale,
         datetime_precision, null::varchar as remarks
  from information_schema.columns where table_schema <> 'front';
create view front.pg_table_def as
  select n.nspname as schemaname, c.relname as tablename, a.attname as "column",
         case t.typname when 'jsonb' then 'super' else format_type(a.atttypid, a.atttypmod) end
           as type,
         'none'::char(32) as encoding, false as distkey, 0 as sortkey, a.attnotnull as "notnull"
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_type t on t.oid = a.atttypid
    join pg_namespace n on n.oid = c.relnamespace
  where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'v')
    and n.nspname = any (current_schemas(false)) and n.nspname <> 'front';
