-- What saved plans, history, rollback and leases for people need.
--
-- This file is never edited once it has been released.

-- Tells one installation from another, so that a plan made for one is not applied to the other.
create table synthex.installation (
    only_one   boolean     primary key default true check (only_one),
    id         uuid        not null default gen_random_uuid(),
    created_at timestamptz not null default now()
);
comment on table synthex.installation is 'One row: which installation of synthex this database is. Saved plans are bound to it.';
comment on column synthex.installation.only_one is 'Keeps the table at one row.';
comment on column synthex.installation.id is 'Made once, when the schema was installed.';
comment on column synthex.installation.created_at is 'When that was.';
insert into synthex.installation default values;
alter table synthex.installation enable row level security;
create policy everybody on synthex.installation for select using (true);

-- Not only what was applied is on record, but also what failed or was refused, and what people did to leases.
alter table synthex.batch_operations
    alter column plan_digest drop not null,
    drop constraint batch_operations_status_check,
    add constraint batch_operations_status_check
        check (status in ('applied', 'partly-applied', 'failed', 'refused', 'interrupted')),
    add column renamed      bigint not null default 0,
    add column failed       bigint not null default 0,
    add column skipped      bigint not null default 0,
    add column environment  text,
    add column run_url      text,
    add column note         text,
    add column acknowledged bigint;
comment on column synthex.batch_operations.plan_digest is 'SHA-256 of the plan that was executed; null for what executes none, such as the release of a lease.';
comment on column synthex.batch_operations.renamed is 'How many rows were renamed.';
comment on column synthex.batch_operations.failed is 'How many changes failed, where each tenant stands for itself.';
comment on column synthex.batch_operations.skipped is 'How many changes were left out because something they need failed.';
comment on column synthex.batch_operations.environment is 'The environment of the project, where one was named.';
comment on column synthex.batch_operations.run_url is 'The CI run, where there is one.';
comment on column synthex.batch_operations.note is 'Why it failed or was refused, or the reason that a person gave.';
comment on column synthex.batch_operations.acknowledged is 'The number of deletions that was acknowledged to pass the guards.';
create index batch_operations_by_digest on synthex.batch_operations (plan_digest);

alter table synthex.batch_operation_items
    drop constraint batch_operation_items_action_check,
    add constraint batch_operation_items_action_check
        check (action in ('create', 'update', 'delete', 'restore', 'adopt', 'rename')),
    add column renamed_from text,
    add column permanent    boolean not null default false,
    add column outcome      text    not null default 'applied' check (outcome in ('applied', 'failed', 'skipped')),
    add column error        text;
comment on column synthex.batch_operation_items.renamed_from is 'The name before, of what was renamed.';
comment on column synthex.batch_operation_items.permanent is 'Whether the row was removed for good, of what was deleted.';
comment on column synthex.batch_operation_items.outcome is 'Whether it was done. Only what was applied changed a row.';
comment on column synthex.batch_operation_items.error is 'Why it was not.';
comment on column synthex.batch_operation_items.after is 'The canonical spec after; null for what was deleted. Its member ignored names fields that were left as they were found.';
create index batch_operation_items_renamed on synthex.batch_operation_items (workspace, kind, renamed_from) where renamed_from is not null;

-- A tenant or channel that is renamed takes what mentions it along.
alter table synthex.credentials
    drop constraint credentials_workspace_tenant_fkey,
    add constraint credentials_workspace_tenant_fkey foreign key (workspace, tenant)
        references synthex.tenants (workspace, name) on update cascade;
alter table synthex.notification_channels
    drop constraint notification_channels_workspace_fallback_fkey,
    add constraint notification_channels_workspace_fallback_fkey foreign key (workspace, fallback)
        references synthex.notification_channels (workspace, name) on update cascade deferrable initially deferred;

-- Who holds a lease, for people, and runs that wait for one, in the order in which they came.
alter table synthex.leases
    add column actor  text,
    add column reason text;
comment on column synthex.leases.actor is 'Who holds it: the CI identity, or user@host.';
comment on column synthex.leases.reason is 'Why a person took it by hand; null for runs.';
create sequence synthex.lease_tickets;
comment on sequence synthex.lease_tickets is 'Numbers the runs that wait for leases.';
create table synthex.lease_waiters (
    lease   text        not null,
    ticket  bigint      not null,
    holder  uuid        not null,
    host    text        not null,
    pid     bigint      not null,
    command text        not null,
    since   timestamptz not null default clock_timestamp(),
    seen_at timestamptz not null default clock_timestamp(),
    primary key (lease, ticket),
    unique (holder, lease)
);
comment on table synthex.lease_waiters is 'Runs that wait for a lease. One that has not been seen for some seconds waits no longer.';
comment on column synthex.lease_waiters.ticket is 'Rises: who came first is served first. A run has one for all the leases it wants, so that no two runs wait for each other.';
comment on column synthex.lease_waiters.lease is 'The lease that is waited for.';
comment on column synthex.lease_waiters.holder is 'The run that waits.';
comment on column synthex.lease_waiters.host is 'The machine it runs on.';
comment on column synthex.lease_waiters.pid is 'Its process on that machine.';
comment on column synthex.lease_waiters.command is 'The command it runs.';
comment on column synthex.lease_waiters.since is 'When it began to wait, by the database''s clock.';
comment on column synthex.lease_waiters.seen_at is 'When it last said that it still waits.';
alter table synthex.lease_waiters enable row level security;
create policy one_workspace on synthex.lease_waiters using (lease = (select current_setting('synthex.workspace', true)));

-- Who may add to the record at all may add an operation before its items say which workspaces it is about.
create policy added on synthex.batch_operations for insert with check (true);

-- Who wrote a declared row. What could mislead the triggers, and does not any more:
--   * The setting synthex.engine counts only for a role that may run synthex: one that owns the table, or is a member of
--     the owner. It is told by what an owner has and a grant of rights does not give, the right to give rights away, so
--     that the condition is cheap (a bulk write evaluates it for every row) and outlives a change of the owner.
--   * The role is noted for each row, by a trigger that fires right before those that need it: its name sorts before the
--     names of the triggers of foreign keys, and no part of a statement is evaluated in between. So a statement that sets
--     synthex.actor or synthex.engine itself passes for nobody else.
--   * What a foreign key carries along, it carries along as the owner of the table. The role to name is still the one that
--     wrote the first row, and the setting counts no more for it than there: it is suspended until the row is logged.
create or replace function synthex.capture_actor() returns trigger
    language plpgsql
    set search_path = pg_catalog
    as $$
begin
    -- Within a foreign key's action, the trigger of the first row has noted the role.
    if pg_trigger_depth() = 1 or coalesce(current_setting('synthex.actor', true), '') = ''
       or not has_table_privilege('synthex.tenants', 'TRIGGER WITH GRANT OPTION') then
        perform set_config('synthex.actor', current_user, true);
    end if;
    if current_setting('synthex.engine', true) = 'on' then
        perform set_config('synthex.engine', 'suspended ' || pg_trigger_depth(), true);
    end if;
    return null;
end
$$;
create or replace function synthex.log_drift() returns trigger
    language plpgsql security definer
    set search_path = pg_catalog
    as $$
declare
    row_before jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
    row_after  jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
    row_any    jsonb := coalesce(row_after, row_before);
begin
    if current_setting('synthex.engine', true) = 'suspended ' || pg_trigger_depth() then
        perform set_config('synthex.engine', 'on', true);
    end if;
    if row_before is not distinct from row_after then
        return null;
    end if;
    insert into synthex.drift_events (workspace, kind, name, operation, actor, client, occurred_at, before, after)
    values (coalesce(row_any ->> 'workspace', row_any ->> 'name'), tg_table_name, row_any ->> 'name', lower(tg_op),
            coalesce(nullif(current_setting('synthex.actor', true), ''), session_user),
            coalesce(current_setting('application_name', true), ''), clock_timestamp(), row_before, row_after);
    return null;
end
$$;
create or replace function synthex.mark_touched() returns trigger
    language plpgsql
    set search_path = pg_catalog
    as $$
begin
    if tg_op = 'UPDATE' then
        if new is not distinct from old then
            return new;
        end if;
        new.revision := old.revision + 1;
        new.digest := old.digest;
        new.updated_at := clock_timestamp();
    end if;
    new.touched_at := clock_timestamp();
    new.touched_by := current_user;
    if pg_trigger_depth() > 1 and has_table_privilege('synthex.tenants', 'TRIGGER WITH GRANT OPTION') then
        new.touched_by := coalesce(nullif(current_setting('synthex.actor', true), ''), current_user);
    end if;
    return new;
end
$$;

-- TRUNCATE fires no trigger for a row.
create function synthex.log_truncate() returns trigger
    language plpgsql security definer
    set search_path = pg_catalog
    as $$
begin
    execute format(
        'insert into synthex.drift_events (workspace, kind, name, operation, actor, client, occurred_at, before) '
        'select t.%I, %L, t.name, ''delete'', $1, $2, clock_timestamp(), to_jsonb(t) from synthex.%I as t order by 1, 3',
        case tg_table_name when 'workspaces' then 'name' else 'workspace' end, tg_table_name, tg_table_name)
    using coalesce(nullif(current_setting('synthex.actor', true), ''), session_user),
          coalesce(current_setting('application_name', true), '');
    if current_setting('synthex.engine', true) like 'suspended %' then
        perform set_config('synthex.engine', 'on', true);
    end if;
    return null;
end
$$;
comment on function synthex.log_truncate() is 'Records in drift_events the rows that a TRUNCATE removes.';

do $$
declare
    declared text;
    foreign_write text;
begin
    foreach declared in array array['workspaces', 'tenant_templates', 'tenants', 'credentials', 'notification_channels', 'alert_rules'] loop
        foreign_write := format('coalesce(current_setting(''synthex.engine'', true), '''') <> ''on'' or not has_table_privilege(''synthex.%I''::regclass, ''TRIGGER WITH GRANT OPTION'')', declared);
        execute format('drop trigger a_capture_actor on synthex.%I', declared);
        execute format('drop trigger b_mark_touched on synthex.%I', declared);
        execute format('drop trigger c_log_drift on synthex.%I', declared);
        execute format('create trigger "0_capture_actor" after insert or update or delete on synthex.%I for each row when (%s) execute function synthex.capture_actor()', declared, foreign_write);
        execute format('create trigger b_mark_touched before insert or update on synthex.%I for each row when (%s) execute function synthex.mark_touched()', declared, foreign_write);
        execute format('create trigger c_log_drift after insert or update or delete on synthex.%I for each row when (%s) execute function synthex.log_drift()', declared, foreign_write);
        execute format('create trigger "0_capture_actor_of_truncate" before truncate on synthex.%I for each statement execute function synthex.capture_actor()', declared);
        execute format('create trigger c_log_truncate before truncate on synthex.%I for each statement execute function synthex.log_truncate()', declared);
        execute format('comment on column synthex.%I.touched_at is ''When something other than synthex last wrote what is in the row; null where all of it is as synthex wrote it.''', declared);
        execute format('comment on column synthex.%I.touched_by is ''The role that wrote it.''', declared);
    end loop;
end
$$;

-- What history, blame and drift rely on is added to by the triggers, as the owner, and changed by nobody.
create trigger append_only before update or delete or truncate on synthex.drift_events for each statement execute function synthex.append_only();
drop policy one_workspace on synthex.drift_events;
create policy one_workspace on synthex.drift_events for select using (workspace = (select current_setting('synthex.workspace', true)));
