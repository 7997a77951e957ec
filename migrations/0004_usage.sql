-- What is recorded of the use of synthex: one row for each command, API call, operation and error, and the sums of whole
-- days that reports are made from. Nothing of it leaves this database.
--
-- This file is never edited once it has been released.

create table synthex.usage_metrics (
    id          uuid        not null,
    recorded_at timestamptz not null check (isfinite(recorded_at)),
    workspace   text        check (length(workspace) between 1 and 128),
    actor       text        not null check (length(actor) <= 300),
    metric_type text        not null check (metric_type in ('command', 'api_call', 'credential_op', 'tenant_op', 'error')),
    metric_name text        not null check (length(metric_name) between 1 and 200),
    service     text        check (length(service) between 1 and 100),
    outcome     text        not null check (outcome in ('succeeded', 'failed', 'interrupted')),
    code        text        check (length(code) between 1 and 100),
    duration_ms bigint      check (duration_ms >= 0),
    value       bigint      not null default 1 check (value >= 0),
    metadata    jsonb       not null default '{}' check (jsonb_typeof(metadata) = 'object'),
    primary key (id, recorded_at)
) partition by range (recorded_at);
comment on table synthex.usage_metrics is 'What was done with synthex, a row each, in a partition for each month (UTC).';
comment on column synthex.usage_metrics.id is 'Made where it was recorded, so that what is sent twice counts once.';
comment on column synthex.usage_metrics.recorded_at is 'When it began, by the clock of the machine it ran on.';
comment on column synthex.usage_metrics.workspace is 'The workspace that was meant; null where none was named.';
comment on column synthex.usage_metrics.actor is 'Who did it: the CI identity, or user@host.';
comment on column synthex.usage_metrics.metric_type is 'What sort of thing was done.';
comment on column synthex.usage_metrics.metric_name is 'The command without its arguments, the operation, or the kind of call.';
comment on column synthex.usage_metrics.service is 'The service that was called; null where none was.';
comment on column synthex.usage_metrics.outcome is 'How it ended.';
comment on column synthex.usage_metrics.code is 'The exit status of a command; the stable word for an error or a failed call.';
comment on column synthex.usage_metrics.duration_ms is 'How long it took, in whole milliseconds; null for what takes no time.';
comment on column synthex.usage_metrics.value is 'How many there were: 1, or the number of changes of an operation on tenants.';
comment on column synthex.usage_metrics.metadata is 'Numbers that belong to it, such as changes by action. No arguments, no names.';
create index usage_metrics_by_time on synthex.usage_metrics (recorded_at);
alter table synthex.usage_metrics enable row level security;
create policy one_workspace on synthex.usage_metrics for select using (workspace = (select current_setting('synthex.workspace', true)));
-- Who may record at all may do so before a workspace is named.
create policy added on synthex.usage_metrics for insert with check (true);

-- Makes a partition: with the comments, the security and the rows that wait in the partition for everything else.
create function synthex.add_usage_part(part text, bounds text, since timestamptz, until timestamptz) returns void
    language plpgsql
    set search_path = pg_catalog
    as $$
begin
    execute format('create table synthex.%I (like synthex.usage_metrics including defaults including constraints including comments)', part);
    execute format('comment on table synthex.%I is %L', part, 'A part of usage_metrics: ' || coalesce(to_char(since at time zone 'UTC', 'FMMonth YYYY'), 'what no month was made for') || '.');
    execute format('alter table synthex.%I enable row level security', part);
    execute format('create policy one_workspace on synthex.%I for select using (workspace = (select current_setting(''synthex.workspace'', true)))', part);
    execute format('create policy added on synthex.%I for insert with check (true)', part);
    if since is not null then
        execute format('with moved as (delete from synthex.usage_metrics_default where recorded_at >= $1 and recorded_at < $2 returning *) insert into synthex.%I select * from moved', part) using since, until;
    end if;
    execute format('alter table synthex.usage_metrics attach partition synthex.%I %s', part, bounds);
end
$$;
comment on function synthex.add_usage_part(text, text, timestamptz, timestamptz) is 'Makes a partition of usage_metrics.';
select synthex.add_usage_part('usage_metrics_default', 'default', null, null);

-- The partition of a month, made where it is missing. A role that may not make it, or a moment in which it cannot be made,
-- loses nothing: rows without a month of their own stay in the partition for everything else, until it is made.
create function synthex.usage_month(moment timestamptz) returns boolean
    language plpgsql
    set search_path = pg_catalog
    as $$
declare
    since constant timestamptz := date_trunc('month', moment at time zone 'UTC') at time zone 'UTC';
    until constant timestamptz := (date_trunc('month', moment at time zone 'UTC') + interval '1 month') at time zone 'UTC';
    part constant text := 'usage_metrics_' || to_char(since at time zone 'UTC', 'YYYY_MM');
begin
    if to_regclass(format('synthex.%I', part)) is not null then
        return true;
    end if;
    -- A clock that is far off makes no months.
    if moment < now() - interval '400 days' or moment > now() + interval '40 days' then
        return false;
    end if;
    perform synthex.add_usage_part(part, format('for values from (%L) to (%L)', since, until), since, until);
    return true;
exception
    when insufficient_privilege or lock_not_available or duplicate_table or unique_violation or read_only_sql_transaction then
        return false;
end
$$;
comment on function synthex.usage_month(timestamptz) is 'Makes the partition of a month where it is missing; false where that cannot be.';

create table synthex.usage_reports (
    day         date        not null,
    workspace   text        not null default '',
    metric_type text        not null,
    metric_name text        not null,
    service     text        not null default '',
    outcome     text        not null default '',
    code        text        not null default '',
    count       bigint      not null,
    value       bigint      not null,
    duration_ms bigint      not null,
    durations   bigint[]    not null,
    counts      bigint[]    not null,
    sealed      boolean     not null default false,
    made_at     timestamptz not null default now(),
    primary key (day, workspace, metric_type, metric_name, service, outcome, code)
);
comment on table synthex.usage_reports is 'The metrics of whole days (UTC), summed. A day is here with all its rows or with none.';
comment on column synthex.usage_reports.day is 'The day, in UTC.';
comment on column synthex.usage_reports.workspace is 'The workspace that was meant; empty where none was named.';
comment on column synthex.usage_reports.metric_type is 'What sort of thing was done.';
comment on column synthex.usage_reports.metric_name is 'What was done; empty in the one row of the day that has the durations of all its commands.';
comment on column synthex.usage_reports.service is 'The service that was called; empty where none was.';
comment on column synthex.usage_reports.outcome is 'How it ended.';
comment on column synthex.usage_reports.code is 'The exit status or the word for the error; empty where there was none.';
comment on column synthex.usage_reports.count is 'How many metrics there were.';
comment on column synthex.usage_reports.value is 'The sum of their values.';
comment on column synthex.usage_reports.duration_ms is 'The sum of their durations.';
comment on column synthex.usage_reports.durations is 'Every duration that occurred, rising: with counts, enough for exact percentiles.';
comment on column synthex.usage_reports.counts is 'How often each of them occurred.';
comment on column synthex.usage_reports.sealed is 'Whether the metrics are gone that it was made from, so that it cannot be made again.';
comment on column synthex.usage_reports.made_at is 'When it was made.';
alter table synthex.usage_reports enable row level security;
create policy one_workspace on synthex.usage_reports for select using (workspace <> '' and workspace = (select current_setting('synthex.workspace', true)));

-- A metric that arrives late makes the sums of its day wrong: they are taken away, and made again when sums are made next.
-- The lock keeps sums from being made of a day while a metric of that day is about to be committed.
create function synthex.usage_arrived() returns trigger
    language plpgsql security definer
    set search_path = pg_catalog
    as $$
begin
    perform pg_advisory_xact_lock_shared(hashtextextended('synthex.usage_reports', 0));
    delete from synthex.usage_reports
        where not sealed and day in (select distinct (recorded_at at time zone 'UTC')::date from arrived);
    return null;
end
$$;
comment on function synthex.usage_arrived() is 'Takes away the sums of days for which a metric arrived.';
create trigger usage_arrived after insert on synthex.usage_metrics referencing new table as arrived
    for each statement execute function synthex.usage_arrived();

-- What was recorded of a workspace goes with it, and takes its new name.
create function synthex.usage_follows_workspace() returns trigger
    language plpgsql security definer
    set search_path = pg_catalog
    as $$
begin
    perform pg_advisory_xact_lock_shared(hashtextextended('synthex.usage_reports', 0));
    -- The sums of whole days are over all workspaces, too.
    delete from synthex.usage_reports where not sealed and day in (select day from synthex.usage_reports where workspace = old.name);
    if tg_op = 'DELETE' then
        delete from synthex.usage_metrics where workspace = old.name;
        delete from synthex.usage_reports where workspace = old.name;
    else
        update synthex.usage_metrics set workspace = new.name where workspace = old.name;
        update synthex.usage_reports as report set workspace = new.name where workspace = old.name and not exists (
            select from synthex.usage_reports as other
            where (other.day, other.metric_type, other.metric_name, other.service, other.outcome, other.code)
                  = (report.day, report.metric_type, report.metric_name, report.service, report.outcome, report.code)
              and other.workspace = new.name);
    end if;
    return null;
end
$$;
comment on function synthex.usage_follows_workspace() is 'Keeps what was recorded of a workspace with it.';
create trigger usage_goes after delete on synthex.workspaces for each row execute function synthex.usage_follows_workspace();
create trigger usage_renamed after update of name on synthex.workspaces for each row
    when (old.name is distinct from new.name) execute function synthex.usage_follows_workspace();
