-- What manifests say about monitoring: silences, maintenance windows, settings of health checks, and more of rules,
-- channels and credentials.
--
-- This file is never edited once it has been released.

-- New fields have the value that leaving them out means, so digests stay what they are.
alter table synthex.credentials
    add column declared_issued_at timestamptz;
comment on column synthex.credentials.declared_issued_at is 'The time of issue that the manifest declares; what its life is counted from.';

alter table synthex.notification_channels
    add column enabled  boolean not null default true,
    add column in_app   jsonb check (in_app is null or (jsonb_typeof(in_app) = 'object' and type = 'in-app')),
    add column network  jsonb check (jsonb_typeof(network) = 'object'),
    add column delivery jsonb check (jsonb_typeof(delivery) = 'object'),
    add column template jsonb check (jsonb_typeof(template) = 'object');
comment on column synthex.notification_channels.enabled is 'Whether it is used.';
comment on column synthex.notification_channels.in_app is 'Whose inboxes are filled, for type in-app; null for one that everybody shares.';
comment on column synthex.notification_channels.network is 'Which addresses may be called besides public ones over TLS.';
comment on column synthex.notification_channels.delivery is 'How patiently messages are delivered; null for the usual way.';
comment on column synthex.notification_channels.template is 'The words of messages; null for the usual ones.';

alter table synthex.alert_rules
    add column grouping jsonb check (jsonb_typeof(grouping) = 'object'),
    add column flapping jsonb check (jsonb_typeof(flapping) = 'object');
comment on column synthex.alert_rules.grouping is 'How alerts that come together are told together; null for each evaluation by itself.';
comment on column synthex.alert_rules.flapping is 'From when on an alert that comes and goes is held back; null for never.';

create table synthex.silences (
    id             uuid        not null default gen_random_uuid(),
    workspace      text        not null references synthex.workspaces (name),
    name           text        not null check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'),
    matchers       jsonb       not null check (jsonb_typeof(matchers) = 'array' and jsonb_array_length(matchers) > 0),
    starts_at      timestamptz not null check (isfinite(starts_at)),
    ends_at        timestamptz check (isfinite(ends_at)),
    duration       text,
    until_resolved boolean     not null default false,
    declared_by    text        not null check (length(declared_by) between 1 and 300),
    comment        text        not null check (length(comment) between 1 and 2000),
    labels         jsonb       not null default '{}' check (jsonb_typeof(labels) = 'object'),
    owner          text,
    protected      boolean     not null default false,
    digest         bytea       check (octet_length(digest) = 32),
    revision       bigint      not null default 1,
    created_at     timestamptz not null default now(),
    updated_at     timestamptz not null default now(),
    deleted_at     timestamptz,
    touched_at     timestamptz,
    touched_by     text,
    primary key (workspace, name),
    unique (workspace, id),
    check (ends_at > starts_at),
    check ((ends_at is not null)::int + (duration is not null)::int + until_resolved::int = 1)
);
comment on table synthex.silences is 'Alerts that nobody is told of for a while.';
comment on column synthex.silences.matchers is 'Conditions on the labels of alerts, all of which must hold.';
comment on column synthex.silences.starts_at is 'From when on.';
comment on column synthex.silences.ends_at is 'Until when.';
comment on column synthex.silences.duration is 'For how long, in place of ends_at.';
comment on column synthex.silences.until_resolved is 'For each alert until it is over, in place of ends_at.';
comment on column synthex.silences.declared_by is 'Who decided it, as the manifest says.';
comment on column synthex.silences.comment is 'Why.';

create table synthex.maintenance_windows (
    id             uuid        not null default gen_random_uuid(),
    workspace      text        not null references synthex.workspaces (name),
    name           text        not null check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'),
    matchers       jsonb       not null default '[]' check (jsonb_typeof(matchers) = 'array'),
    recurrence     jsonb       not null check (jsonb_typeof(recurrence) = 'object'),
    starts_at_time text        not null check (starts_at_time ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$'),
    duration       text        not null,
    time_zone      text        not null default 'UTC',
    valid_from     timestamptz check (isfinite(valid_from)),
    valid_until    timestamptz check (isfinite(valid_until)),
    comment        text        not null check (length(comment) between 1 and 2000),
    labels         jsonb       not null default '{}' check (jsonb_typeof(labels) = 'object'),
    owner          text,
    protected      boolean     not null default false,
    digest         bytea       check (octet_length(digest) = 32),
    revision       bigint      not null default 1,
    created_at     timestamptz not null default now(),
    updated_at     timestamptz not null default now(),
    deleted_at     timestamptz,
    touched_at     timestamptz,
    touched_by     text,
    primary key (workspace, name),
    unique (workspace, id),
    check (valid_until > valid_from)
);
comment on table synthex.maintenance_windows is 'Times that come again in which alerts are not told.';
comment on column synthex.maintenance_windows.matchers is 'Conditions on the labels of alerts, all of which must hold; [] for all alerts of the workspace.';
comment on column synthex.maintenance_windows.recurrence is 'On which days it begins: {"day": 1}, {"week": ["sunday"]} or {"month": [1, -1]}.';
comment on column synthex.maintenance_windows.starts_at_time is 'The time of day at which it begins, HH:MM in its zone.';
comment on column synthex.maintenance_windows.duration is 'How long it lasts.';
comment on column synthex.maintenance_windows.time_zone is 'The IANA zone of its times.';
comment on column synthex.maintenance_windows.valid_from is 'From when on it counts; null for always.';
comment on column synthex.maintenance_windows.valid_until is 'Until when it counts; null for ever.';
comment on column synthex.maintenance_windows.comment is 'What is done in it.';

create table synthex.health_check_settings (
    id                uuid        not null default gen_random_uuid(),
    workspace         text        not null references synthex.workspaces (name),
    name              text        not null check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'),
    service           text        not null check (service in ('shopify', 'google-merchant', 'database', 'credentials', 'quotas', 'disk', 'memory')),
    enabled           boolean     not null default true,
    check_interval    text        not null default '15m',
    timeout           text        not null default '10s',
    failure_threshold bigint      not null default 3 check (failure_threshold between 1 and 100),
    success_threshold bigint      not null default 2 check (success_threshold between 1 and 100),
    concurrency       bigint      not null default 8 check (concurrency between 1 and 256),
    limits            jsonb       check (jsonb_typeof(limits) = 'object'),
    labels            jsonb       not null default '{}' check (jsonb_typeof(labels) = 'object'),
    owner             text,
    protected         boolean     not null default false,
    digest            bytea       check (octet_length(digest) = 32),
    revision          bigint      not null default 1,
    created_at        timestamptz not null default now(),
    updated_at        timestamptz not null default now(),
    deleted_at        timestamptz,
    touched_at        timestamptz,
    touched_by        text,
    primary key (workspace, name),
    unique (workspace, id)
);
comment on table synthex.health_check_settings is 'How a workspace wants its services looked at; the results are in health_checks.';
comment on column synthex.health_check_settings.service is 'What is looked at.';
comment on column synthex.health_check_settings.enabled is 'Whether it is looked at.';
comment on column synthex.health_check_settings.check_interval is 'How often.';
comment on column synthex.health_check_settings.timeout is 'How long an answer is waited for.';
comment on column synthex.health_check_settings.failure_threshold is 'How many bad results in a row make it unhealthy.';
comment on column synthex.health_check_settings.success_threshold is 'How many good results in a row make it healthy again.';
comment on column synthex.health_check_settings.concurrency is 'How many tenants are looked at at a time.';
comment on column synthex.health_check_settings.limits is 'From where on space, memory or a quota is too little; null for the usual limits.';

do $$
declare
    declared text;
    foreign_write text;
begin
    foreach declared in array array['silences', 'maintenance_windows', 'health_check_settings'] loop
        foreign_write := format('coalesce(current_setting(''synthex.engine'', true), '''') <> ''on'' or not has_table_privilege(''synthex.%I''::regclass, ''TRIGGER WITH GRANT OPTION'')', declared);
        execute format('create trigger "0_capture_actor" after insert or update or delete on synthex.%I for each row when (%s) execute function synthex.capture_actor()', declared, foreign_write);
        execute format('create trigger b_mark_touched before insert or update on synthex.%I for each row when (%s) execute function synthex.mark_touched()', declared, foreign_write);
        execute format('create trigger c_log_drift after insert or update or delete on synthex.%I for each row when (%s) execute function synthex.log_drift()', declared, foreign_write);
        execute format('create trigger "0_capture_actor_of_truncate" before truncate on synthex.%I for each statement execute function synthex.capture_actor()', declared);
        execute format('create trigger c_log_truncate before truncate on synthex.%I for each statement execute function synthex.log_truncate()', declared);
        execute format('alter table synthex.%I enable row level security', declared);
        execute format('create policy one_workspace on synthex.%I using (workspace = (select current_setting(''synthex.workspace'', true))) with check (workspace = (select current_setting(''synthex.workspace'', true)))', declared);
        execute format('comment on column synthex.%I.id is ''Stays the same for the life of the resource, through renames.''', declared);
        execute format('comment on column synthex.%I.workspace is ''The workspace the row belongs to.''', declared);
        execute format('comment on column synthex.%I.name is ''The name in the manifest''''s metadata.''', declared);
        execute format('comment on column synthex.%I.labels is ''Texts to select by.''', declared);
        execute format('comment on column synthex.%I.owner is ''The project that declares the row, cli for rows made by commands, null for rows made by hand.''', declared);
        execute format('comment on column synthex.%I.protected is ''While true, no plan deletes the row.''', declared);
        execute format('comment on column synthex.%I.digest is ''SHA-256 of the canonical spec that synthex last wrote.''', declared);
        execute format('comment on column synthex.%I.revision is ''Rises with every write, whoever writes.''', declared);
        execute format('comment on column synthex.%I.created_at is ''When the row was made.''', declared);
        execute format('comment on column synthex.%I.updated_at is ''When the row was last written, whoever wrote.''', declared);
        execute format('comment on column synthex.%I.deleted_at is ''When the row was softly deleted; null while it lives.''', declared);
        execute format('comment on column synthex.%I.touched_at is ''When something other than synthex last wrote what is in the row; null where all of it is as synthex wrote it.''', declared);
        execute format('comment on column synthex.%I.touched_by is ''The role that wrote it.''', declared);
    end loop;
end
$$;
