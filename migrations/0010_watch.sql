-- What the controller keeps: who runs, what it sees and how it stands, what it waits with, and whose turn something is.
-- This file is never edited once it has been released.

-- Reconciling of a workspace that people stopped for a while. Who may write here may stop it, so it is never a row of a manifest.
create table synthex.pauses (
    workspace  text        primary key,
    reason     text        not null check (length(reason) between 1 and 500),
    actor      text        not null,
    paused_at  timestamptz not null default clock_timestamp(),
    until      timestamptz check (until > paused_at)
);
comment on table synthex.pauses is 'Workspaces that the controller leaves alone for a while, because somebody said so.';
comment on column synthex.pauses.workspace is 'The workspace; it need not be there yet.';
comment on column synthex.pauses.reason is 'Why.';
comment on column synthex.pauses.actor is 'Who said so: the CI identity, or user@host.';
comment on column synthex.pauses.paused_at is 'Since when, by the clock of the database.';
comment on column synthex.pauses.until is 'From then on it is reconciled again; null until somebody resumes it.';

create table synthex.watch_sources (
    project           text        not null,
    environment       text        not null,
    source            text        not null,
    observed          text,
    observed_at       timestamptz,
    problem           text,
    good              text,
    good_at           timestamptz,
    applied           text,
    applied_at        timestamptz,
    operations_seen   bigint      not null default 0,
    held              text,
    held_by           bigint,
    primary key (project, environment)
);
comment on table synthex.watch_sources is 'What the controller knows of the manifests of a project: the revision it sees, the last good one, and the one it put in force.';
comment on column synthex.watch_sources.project is 'The project.';
comment on column synthex.watch_sources.environment is 'The environment of the project; empty where it has none.';
comment on column synthex.watch_sources.source is 'Where the manifests come from: a folder, or a git repository with its branch.';
comment on column synthex.watch_sources.observed is 'The revision that was last seen: a commit, or the digest of the files.';
comment on column synthex.watch_sources.observed_at is 'When it was first seen.';
comment on column synthex.watch_sources.problem is 'Why the revision that was last seen cannot be used; null where it can.';
comment on column synthex.watch_sources.good is 'The last revision that could be used.';
comment on column synthex.watch_sources.good_at is 'When it was first read.';
comment on column synthex.watch_sources.applied is 'The revision that was last put in force as a whole.';
comment on column synthex.watch_sources.applied_at is 'When that was found.';
comment on column synthex.watch_sources.operations_seen is 'The newest operation that was looked at.';
comment on column synthex.watch_sources.held is 'A revision that somebody rolled back, and that is not put in force again.';
comment on column synthex.watch_sources.held_by is 'The operation that rolled it back.';

create table synthex.watch_conditions (
    project     text        not null,
    environment text        not null,
    workspace   text        not null,
    type        text        not null check (type in ('Ready', 'Synced', 'Healthy', 'Paused', 'Flapping', 'Stalled')),
    status      text        not null check (status in ('True', 'False', 'Unknown')),
    reason      text        not null,
    message     text        not null,
    revision    text,
    since       timestamptz not null,
    updated_at  timestamptz not null,
    primary key (project, environment, workspace, type)
);
comment on table synthex.watch_conditions is 'How each workspace of a project stands, as the controller last saw it.';
comment on column synthex.watch_conditions.project is 'The project.';
comment on column synthex.watch_conditions.environment is 'The environment of the project; empty where it has none.';
comment on column synthex.watch_conditions.workspace is 'The workspace.';
comment on column synthex.watch_conditions.type is 'What is said of it.';
comment on column synthex.watch_conditions.status is 'Whether it is so.';
comment on column synthex.watch_conditions.reason is 'Why, as a stable word.';
comment on column synthex.watch_conditions.message is 'The same for people.';
comment on column synthex.watch_conditions.revision is 'The revision of the manifests that this was seen at.';
comment on column synthex.watch_conditions.since is 'When the status last became another one.';
comment on column synthex.watch_conditions.updated_at is 'When anything of this last changed.';

create table synthex.watch_backoff (
    project     text        not null,
    environment text        not null,
    workspace   text        not null,
    kind        text        not null,
    name        text        not null,
    failures    integer     not null check (failures > 0),
    error       text        not null,
    failed_at   timestamptz not null,
    next_at     timestamptz not null,
    revision    text,
    primary key (project, environment, workspace, kind, name)
);
comment on table synthex.watch_backoff is 'Resources that could not be brought to what is declared, and when that is tried again.';
comment on column synthex.watch_backoff.project is 'The project.';
comment on column synthex.watch_backoff.environment is 'The environment of the project; empty where it has none.';
comment on column synthex.watch_backoff.workspace is 'The workspace of the resource.';
comment on column synthex.watch_backoff.kind is 'The kind of the resource, as its keys name it.';
comment on column synthex.watch_backoff.name is 'The name of the resource.';
comment on column synthex.watch_backoff.failures is 'How often it failed in a row.';
comment on column synthex.watch_backoff.error is 'How it failed the last time.';
comment on column synthex.watch_backoff.failed_at is 'When that was.';
comment on column synthex.watch_backoff.next_at is 'When it is tried again; a new revision of the manifests is tried at once.';
comment on column synthex.watch_backoff.revision is 'The revision of the manifests that failed.';

create table synthex.watch_corrections (
    id           bigint      generated always as identity primary key,
    project      text        not null,
    environment  text        not null,
    workspace    text        not null,
    kind         text        not null,
    name         text        not null,
    field        text        not null,
    desired      bytea       not null,
    actor        text        not null,
    corrected_at timestamptz not null
);
comment on table synthex.watch_corrections is 'What the controller set back, so that it sees when somebody keeps changing it.';
comment on column synthex.watch_corrections.id is 'Rises with each correction.';
comment on column synthex.watch_corrections.project is 'The project.';
comment on column synthex.watch_corrections.environment is 'The environment of the project; empty where it has none.';
comment on column synthex.watch_corrections.workspace is 'The workspace of the resource.';
comment on column synthex.watch_corrections.kind is 'The kind of the resource, as its keys name it.';
comment on column synthex.watch_corrections.name is 'The name of the resource.';
comment on column synthex.watch_corrections.field is 'The field, as a JSON pointer; empty for the whole resource.';
comment on column synthex.watch_corrections.desired is 'SHA-256 of what it was set to.';
comment on column synthex.watch_corrections.actor is 'Who had changed it: a role of the database, or another run of synthex.';
comment on column synthex.watch_corrections.corrected_at is 'When it was set back, by the clock of the controller.';
create index watch_corrections_by_time on synthex.watch_corrections (project, environment, corrected_at);

create table synthex.watch_replicas (
    id          uuid        primary key,
    project     text        not null,
    environment text        not null,
    host        text        not null,
    pid         bigint      not null,
    version     text        not null,
    mode        text        not null check (mode in ('observe', 'enforce')),
    listen      text,
    is_leader   boolean     not null,
    started_at  timestamptz not null,
    seen_at     timestamptz not null,
    tasks       jsonb       not null
);
comment on table synthex.watch_replicas is 'The controllers that run, as they last said themselves.';
comment on column synthex.watch_replicas.id is 'This run of the controller.';
comment on column synthex.watch_replicas.project is 'The project it looks after.';
comment on column synthex.watch_replicas.environment is 'The environment of the project; empty where it has none.';
comment on column synthex.watch_replicas.host is 'The machine it runs on.';
comment on column synthex.watch_replicas.pid is 'Its process on that machine.';
comment on column synthex.watch_replicas.version is 'The version of the program.';
comment on column synthex.watch_replicas.mode is 'Whether it corrects what it finds, or only says so.';
comment on column synthex.watch_replicas.listen is 'Where its endpoints are; null where it has none.';
comment on column synthex.watch_replicas.is_leader is 'Whether it is the one that reconciles.';
comment on column synthex.watch_replicas.started_at is 'When it began, by the clock of the database.';
comment on column synthex.watch_replicas.seen_at is 'When it last said so, by the clock of the database.';
comment on column synthex.watch_replicas.tasks is 'What its tasks did last.';

-- Work that replicas share: whoever finds a turn due claims it for a while, and says when the next one is.
create table synthex.watch_turns (
    task          text        not null,
    workspace     text        not null,
    due_at        timestamptz not null,
    seen          text,
    claimed_by    uuid,
    claimed_until timestamptz,
    done_at       timestamptz,
    primary key (task, workspace)
);
comment on table synthex.watch_turns is 'When what the controllers do by turns is done next, and who is at it.';
comment on column synthex.watch_turns.task is 'What is done.';
comment on column synthex.watch_turns.workspace is 'For which workspace; empty where it is done for all at once.';
comment on column synthex.watch_turns.due_at is 'When it is to be done next.';
comment on column synthex.watch_turns.seen is 'What was seen when it was last done, to tell whether anything changed since.';
comment on column synthex.watch_turns.claimed_by is 'The controller that is at it.';
comment on column synthex.watch_turns.claimed_until is 'From then on another one may take it, by the clock of the database.';
comment on column synthex.watch_turns.done_at is 'When it was last done.';
create index watch_turns_by_due on synthex.watch_turns (task, due_at);

-- What the tasks ask in each of their rounds, found without reading what is well or not due.
create index health_status_by_due on synthex.health_status (due_at);
create index health_status_unwell on synthex.health_status (workspace) where status <> 'healthy' or last_status <> 'healthy' or failures > 0;
create index alerts_acknowledged on synthex.alerts (workspace) where status = 'acknowledged';

-- Whether what is declared is in force is a health check like any other, so that rules can alert of it.
alter table synthex.health_checks
    drop constraint health_checks_service_check,
    add constraint health_checks_service_check
        check (service in ('shopify', 'google-merchant', 'database', 'credentials', 'quotas', 'disk', 'memory', 'sync')) not valid;
alter table synthex.health_status
    drop constraint health_status_service_check,
    add constraint health_status_service_check
        check (service in ('shopify', 'google-merchant', 'database', 'credentials', 'quotas', 'disk', 'memory', 'sync'));
alter table synthex.health_check_settings
    drop constraint health_check_settings_service_check,
    add constraint health_check_settings_service_check
        check (service in ('shopify', 'google-merchant', 'database', 'credentials', 'quotas', 'disk', 'memory', 'sync'));

create index health_status_by_since on synthex.health_status (since);

-- What changed is called out, so that nobody has to wait for the next look. Nothing depends on it: poolers and some
-- distributed databases let no such call through.
create function synthex.announce() returns trigger
    language plpgsql
    set search_path = pg_catalog
    as $$
begin
    begin
        perform pg_notify('synthex', tg_argv[0]);
    exception when others then
        null;
    end;
    return null;
end
$$;
comment on function synthex.announce() is 'Calls out on the channel synthex what changed, where the database can.';
create trigger announce after insert on synthex.batch_operations for each statement execute function synthex.announce('operation');
create trigger announce after insert on synthex.notification_deliveries for each statement execute function synthex.announce('delivery');
create trigger announce_inserted after insert on synthex.health_status for each row when (new.status <> 'unknown') execute function synthex.announce('health');
create trigger announce_updated after update on synthex.health_status for each row when (old.status is distinct from new.status) execute function synthex.announce('health');
create trigger announce after insert or update or delete on synthex.pauses for each statement execute function synthex.announce('pause');

do $$
declare
    declared text;
    foreign_write text;
    runtime text;
begin
    foreach declared in array array['workspaces', 'tenant_templates', 'tenants', 'credentials', 'notification_channels', 'alert_rules',
                                    'silences', 'maintenance_windows', 'health_check_settings'] loop
        foreign_write := format('coalesce(current_setting(''synthex.engine'', true), '''') <> ''on'' or not has_table_privilege(''synthex.%I''::regclass, ''TRIGGER WITH GRANT OPTION'')', declared);
        execute format('create trigger d_announce after insert or update or delete on synthex.%I for each statement when (%s) execute function synthex.announce(''drift'')', declared, foreign_write);
        execute format('create trigger d_announce_truncate after truncate on synthex.%I for each statement execute function synthex.announce(''drift'')', declared);
    end loop;
    foreach runtime in array array['pauses', 'watch_conditions', 'watch_backoff', 'watch_corrections', 'watch_turns'] loop
        execute format('alter table synthex.%I enable row level security', runtime);
        execute format('create policy one_workspace on synthex.%I using (workspace = (select current_setting(''synthex.workspace'', true)) and workspace <> '''') with check (workspace = (select current_setting(''synthex.workspace'', true)) and workspace <> '''')', runtime);
    end loop;
    -- They are of projects, and none of a workspace's role.
    alter table synthex.watch_sources enable row level security;
    alter table synthex.watch_replicas enable row level security;
end
$$;

-- What is old is found without a look at everything else.
create index alerts_by_end on synthex.alerts (resolved_at) where status = 'resolved';
create index alert_thresholds_by_time on synthex.alert_thresholds (crossed_at);
create index notifications_by_age on synthex.notifications (created_at);
