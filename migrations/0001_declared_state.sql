-- The declared state of synthex, the record of what was applied, and the leases.
--
-- Rules that hold for every table here:
--   * a natural key starts with the workspace, so that a unique violation tells nothing about another workspace;
--   * row-level security is on: the owning role sees all, any other role sees the workspace named by the setting
--     synthex.workspace, to be set with set_config(..., true) inside a transaction;
--   * a row written by anything but synthex is marked with the time and the role (touched_at, touched_by).
-- This file is never edited once it has been released.

create schema if not exists synthex;
comment on schema synthex is 'Declared tenants, credentials, channels and rules, kept by synthex from manifests in git.';

-- The triggers below leave synthex's own writes alone: those run in a transaction where the setting synthex.engine is
-- 'on'. The test for that stands in each trigger's WHEN, so that a bulk write does not pay for a function call per row.

-- Runs as the role that writes, so current_user is that role.
create function synthex.mark_touched() returns trigger
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
    return new;
end
$$;
comment on function synthex.mark_touched() is 'Marks a row that was written by anything but synthex with the time and the role.';

create table synthex.drift_events (
    id          bigint generated always as identity primary key,
    workspace   text        not null,
    kind        text        not null,
    name        text        not null,
    operation   text        not null check (operation in ('insert', 'update', 'delete')),
    actor       text        not null,
    client      text        not null,
    occurred_at timestamptz not null,
    before      jsonb,
    after       jsonb
);
comment on table synthex.drift_events is 'Every write to a declared table that was not synthex''s own, with the role and the time.';
comment on column synthex.drift_events.id is 'Rises with each event, in the order of writing.';
comment on column synthex.drift_events.workspace is 'The workspace of the row that was written.';
comment on column synthex.drift_events.kind is 'The table that was written, without the schema.';
comment on column synthex.drift_events.name is 'The name of the row that was written.';
comment on column synthex.drift_events.operation is 'What was done to the row.';
comment on column synthex.drift_events.actor is 'The database role that wrote.';
comment on column synthex.drift_events.client is 'The application_name of the session that wrote.';
comment on column synthex.drift_events.occurred_at is 'When it happened, by the database''s clock.';
comment on column synthex.drift_events.before is 'The row before, for updates and deletes.';
comment on column synthex.drift_events.after is 'The row after, for inserts and updates.';
create index drift_events_by_key on synthex.drift_events (workspace, kind, name, id desc);

-- Runs as the owner, because a role that may write a tenant need not be allowed to write the record of it. The role
-- is taken before that, by capture_actor, which runs as the writer.
create function synthex.capture_actor() returns trigger
    language plpgsql
    set search_path = pg_catalog
    as $$
begin
    perform set_config('synthex.actor', current_user, true);
    return null;
end
$$;
comment on function synthex.capture_actor() is 'Notes the role that is writing, for log_drift.';

create function synthex.log_drift() returns trigger
    language plpgsql security definer
    set search_path = pg_catalog
    as $$
declare
    row_before jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
    row_after  jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
    row_any    jsonb := coalesce(row_after, row_before);
begin
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
comment on function synthex.log_drift() is 'Records a write that was not synthex''s own in drift_events.';

create table synthex.workspaces (
    id           uuid        not null default gen_random_uuid(),
    name         text        not null primary key check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'),
    display_name text        check (length(display_name) between 1 and 200),
    description  text        check (length(description) <= 2000),
    market       text        not null check (market in ('ANZ_SMB', 'ANZ_ENTERPRISE', 'US_SMB', 'UK_SMB')),
    region       text        not null check (region in ('AU-SE1', 'NZ-NR1', 'US-EA1', 'EU-WE1')),
    defaults     jsonb       not null default '{}' check (jsonb_typeof(defaults) = 'object'),
    labels       jsonb       not null default '{}' check (jsonb_typeof(labels) = 'object'),
    owner        text,
    protected    boolean     not null default false,
    digest       bytea       check (octet_length(digest) = 32),
    revision     bigint      not null default 1,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    deleted_at   timestamptz,
    touched_at   timestamptz,
    touched_by   text
);
comment on table synthex.workspaces is 'Isolation boundaries: every other declared row belongs to one.';
comment on column synthex.workspaces.display_name is 'The name people know it by.';
comment on column synthex.workspaces.description is 'What it is for.';
comment on column synthex.workspaces.market is 'The market of its tenants that name none.';
comment on column synthex.workspaces.region is 'The region of its tenants that name none.';
comment on column synthex.workspaces.defaults is 'Labels and metadata that its tenants start from; their own win.';

create table synthex.tenant_templates (
    id               uuid        not null default gen_random_uuid(),
    workspace        text        not null references synthex.workspaces (name),
    name             text        not null check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'),
    display_name     text        check (length(display_name) between 1 and 200),
    description      text        check (length(description) <= 2000),
    type             text        not null check (type in ('shopify', 'google-merchant', 'mixed')),
    market           text        check (market in ('ANZ_SMB', 'ANZ_ENTERPRISE', 'US_SMB', 'UK_SMB')),
    region           text        check (region in ('AU-SE1', 'NZ-NR1', 'US-EA1', 'EU-WE1')),
    default_metadata jsonb       not null default '{}' check (jsonb_typeof(default_metadata) = 'object'),
    required_fields  jsonb       not null default '[]' check (jsonb_typeof(required_fields) = 'array'),
    optional_fields  jsonb       not null default '[]' check (jsonb_typeof(optional_fields) = 'array'),
    setup_steps      jsonb       not null default '[]' check (jsonb_typeof(setup_steps) = 'array'),
    labels           jsonb       not null default '{}' check (jsonb_typeof(labels) = 'object'),
    owner            text,
    protected        boolean     not null default false,
    digest           bytea       check (octet_length(digest) = 32),
    revision         bigint      not null default 1,
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    deleted_at       timestamptz,
    touched_at       timestamptz,
    touched_by       text,
    primary key (workspace, name),
    unique (workspace, id)
);
comment on table synthex.tenant_templates is 'What tenants of one sort have in common. Expanded when manifests are read; the built-in ones are in the program.';
comment on column synthex.tenant_templates.display_name is 'The name people know it by.';
comment on column synthex.tenant_templates.description is 'What it is for.';
comment on column synthex.tenant_templates.type is 'What tenants made from it run.';
comment on column synthex.tenant_templates.market is 'The market of tenants made from it that name none.';
comment on column synthex.tenant_templates.region is 'The region of tenants made from it that name none.';
comment on column synthex.tenant_templates.default_metadata is 'Metadata that tenants start from; their own win.';
comment on column synthex.tenant_templates.required_fields is 'The fields that a tenant made from it must give.';
comment on column synthex.tenant_templates.optional_fields is 'The fields that a tenant made from it may well give.';
comment on column synthex.tenant_templates.setup_steps is 'What people do, in this order, to set up such a tenant.';

create table synthex.tenants (
    id               uuid        not null default gen_random_uuid(),
    workspace        text        not null references synthex.workspaces (name),
    name             text        not null check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'),
    display_name     text        not null check (length(display_name) between 1 and 200),
    template         text        check (template ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'),
    type             text        not null check (type in ('shopify', 'google-merchant', 'mixed')),
    market           text        not null check (market in ('ANZ_SMB', 'ANZ_ENTERPRISE', 'US_SMB', 'UK_SMB')),
    region           text        not null check (region in ('AU-SE1', 'NZ-NR1', 'US-EA1', 'EU-WE1')),
    status           text        not null default 'active' check (status in ('active', 'inactive', 'suspended')),
    shopify_shop     text        check (shopify_shop ~ '^[a-z0-9][a-z0-9-]*\.myshopify\.com$'),
    gmc_merchant_id  text        check (gmc_merchant_id ~ '^[1-9][0-9]{0,19}$'),
    business_country text        check (business_country in ('AU', 'NZ', 'UK', 'US')),
    business_number  text        check (length(business_number) between 1 and 40),
    contact_email    text        check (length(contact_email) <= 254),
    contact_phone    text        check (length(contact_phone) <= 40),
    industry         text        check (length(industry) between 1 and 200),
    employee_count   bigint      check (employee_count >= 0),
    website          text        check (website ~ '^https?://'),
    metadata         jsonb       not null default '{}' check (jsonb_typeof(metadata) = 'object'),
    labels           jsonb       not null default '{}' check (jsonb_typeof(labels) = 'object'),
    owner            text,
    protected        boolean     not null default false,
    digest           bytea       check (octet_length(digest) = 32),
    revision         bigint      not null default 1,
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    deleted_at       timestamptz,
    touched_at       timestamptz,
    touched_by       text,
    primary key (workspace, name),
    unique (workspace, id),
    check ((business_country is null) = (business_number is null))
);
comment on table synthex.tenants is 'Merchants: Shopify shops, Google Merchant Center accounts, or both.';
comment on column synthex.tenants.display_name is 'The name people know the merchant by.';
comment on column synthex.tenants.template is 'The template it was made from; templates are expanded when manifests are read.';
comment on column synthex.tenants.type is 'What it runs: a Shopify shop, a Google Merchant Center account, or both (mixed).';
comment on column synthex.tenants.market is 'The market it sells in.';
comment on column synthex.tenants.region is 'The region its data is kept in.';
comment on column synthex.tenants.status is 'Whether the agency works for it at present.';
comment on column synthex.tenants.shopify_shop is 'The permanent domain of its shop, NAME.myshopify.com.';
comment on column synthex.tenants.gmc_merchant_id is 'The number of its Google Merchant Center account.';
comment on column synthex.tenants.business_country is 'The country whose register the business number is in.';
comment on column synthex.tenants.business_number is 'The number of its registration, without spaces: ABN, NZBN, UK company or VAT number, EIN.';
comment on column synthex.tenants.contact_email is 'Where it is written to.';
comment on column synthex.tenants.contact_phone is 'Where it is called.';
comment on column synthex.tenants.industry is 'Its line of business.';
comment on column synthex.tenants.employee_count is 'How many people work there.';
comment on column synthex.tenants.website is 'Its public web site.';
comment on column synthex.tenants.metadata is 'Free-form facts, with those of its template and workspace merged in.';

create table synthex.credentials (
    id                  uuid        not null default gen_random_uuid(),
    workspace           text        not null references synthex.workspaces (name),
    name                text        not null check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'),
    tenant              text        not null,
    service             text        not null check (service in ('shopify', 'google-merchant')),
    description         text        check (length(description) <= 2000),
    secret_ref          jsonb       not null check (jsonb_typeof(secret_ref) = 'object'),
    declared_expires_at timestamptz,
    renewal             text        not null default 'none' check (renewal in ('none', 'shopify-refresh-token', 'google-oauth')),
    labels              jsonb       not null default '{}' check (jsonb_typeof(labels) = 'object'),
    owner               text,
    protected           boolean     not null default false,
    digest              bytea       check (octet_length(digest) = 32),
    revision            bigint      not null default 1,
    created_at          timestamptz not null default now(),
    updated_at          timestamptz not null default now(),
    deleted_at          timestamptz,
    touched_at          timestamptz,
    touched_by          text,
    primary key (workspace, name),
    unique (workspace, id),
    foreign key (workspace, tenant) references synthex.tenants (workspace, name)
);
comment on table synthex.credentials is 'Access of tenants to services, by reference: no secret is ever stored here.';
comment on column synthex.credentials.tenant is 'The tenant whose access it is.';
comment on column synthex.credentials.service is 'The service it gives access to.';
comment on column synthex.credentials.description is 'What it is for.';
comment on column synthex.credentials.renewal is 'How it is renewed before it expires; none means by hand.';
comment on column synthex.credentials.secret_ref is 'Where the secret is kept: {"env": ...}, {"file": ...} or {"gcpSecretManager": ...}.';
comment on column synthex.credentials.declared_expires_at is 'The expiry that the manifest declares; what is observed is kept apart.';
create index credentials_by_tenant on synthex.credentials (workspace, tenant);

create table synthex.notification_channels (
    id                    uuid        not null default gen_random_uuid(),
    workspace             text        not null references synthex.workspaces (name),
    name                  text        not null check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'),
    type                  text        not null check (type in ('email', 'slack', 'webhook', 'console', 'in-app')),
    description           text        check (length(description) <= 2000),
    email                 jsonb       check (jsonb_typeof(email) = 'object'),
    slack                 jsonb       check (jsonb_typeof(slack) = 'object'),
    webhook               jsonb       check (jsonb_typeof(webhook) = 'object'),
    rate_limit_per_minute bigint      check (rate_limit_per_minute > 0),
    fallback              text,
    send_resolved         boolean     not null default true,
    labels                jsonb       not null default '{}' check (jsonb_typeof(labels) = 'object'),
    owner                 text,
    protected             boolean     not null default false,
    digest                bytea       check (octet_length(digest) = 32),
    revision              bigint      not null default 1,
    created_at            timestamptz not null default now(),
    updated_at            timestamptz not null default now(),
    deleted_at            timestamptz,
    touched_at            timestamptz,
    touched_by            text,
    primary key (workspace, name),
    unique (workspace, id),
    foreign key (workspace, fallback) references synthex.notification_channels (workspace, name)
        deferrable initially deferred,
    check ((type = 'email') = (email is not null)),
    check ((type = 'slack') = (slack is not null)),
    check ((type = 'webhook') = (webhook is not null))
);
comment on table synthex.notification_channels is 'Ways to reach people; secrets by reference only.';
comment on column synthex.notification_channels.type is 'What it sends through; decides which of email, slack and webhook is given.';
comment on column synthex.notification_channels.description is 'Who is reached.';
comment on column synthex.notification_channels.email is 'Sender, recipients and server, for type email.';
comment on column synthex.notification_channels.slack is 'Where the webhooks address is kept, for type slack.';
comment on column synthex.notification_channels.webhook is 'The address and where its secrets are kept, for type webhook.';
comment on column synthex.notification_channels.rate_limit_per_minute is 'The most messages sent through it in a minute; null for no limit.';
comment on column synthex.notification_channels.fallback is 'The channel of the same workspace that takes what this one could not deliver.';
comment on column synthex.notification_channels.send_resolved is 'Whether the end of an alert is announced too.';

create table synthex.alert_rules (
    id          uuid        not null default gen_random_uuid(),
    workspace   text        not null references synthex.workspaces (name),
    name        text        not null check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'),
    enabled     boolean     not null default true,
    description text        check (length(description) <= 2000),
    condition   jsonb       not null check (jsonb_typeof(condition) = 'object'),
    selector    jsonb       not null default '{}' check (jsonb_typeof(selector) = 'object'),
    severity    text        not null default 'warning' check (severity in ('info', 'warning', 'critical')),
    channels    jsonb       not null check (jsonb_typeof(channels) = 'array' and jsonb_array_length(channels) > 0),
    schedule    text        not null default '0 9 * * *',
    time_zone   text        not null default 'UTC',
    reminder    text,
    labels      jsonb       not null default '{}' check (jsonb_typeof(labels) = 'object'),
    owner       text,
    protected   boolean     not null default false,
    digest      bytea       check (octet_length(digest) = 32),
    revision    bigint      not null default 1,
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    deleted_at  timestamptz,
    touched_at  timestamptz,
    touched_by  text,
    primary key (workspace, name),
    unique (workspace, id)
);
comment on table synthex.alert_rules is 'What raises an alert, for which tenants, and through which channels it is told.';
comment on column synthex.alert_rules.enabled is 'Whether it is evaluated.';
comment on column synthex.alert_rules.description is 'What it is for; shown in its alerts.';
comment on column synthex.alert_rules.selector is 'Which tenants are watched; {} for all of the workspace.';
comment on column synthex.alert_rules.severity is 'How urgent its alerts are.';
comment on column synthex.alert_rules.channels is 'The names of the channels that tell its alerts.';
comment on column synthex.alert_rules.schedule is 'When it is evaluated: cron, five fields.';
comment on column synthex.alert_rules.time_zone is 'The IANA time zone of the schedule.';
comment on column synthex.alert_rules.reminder is 'How long after the last message a standing alert is told again; null for never.';
comment on column synthex.alert_rules.condition is 'One of credentialExpiry, healthStatus, usageThreshold.';

create table synthex.leases (
    name         text        primary key,
    token        bigint      not null,
    holder       uuid,
    host         text,
    pid          bigint,
    command      text,
    run_url      text,
    commit_sha   text,
    acquired_at  timestamptz,
    heartbeat_at timestamptz,
    expires_at   timestamptz
);
comment on table synthex.leases is 'Who is writing: one row per workspace. All times are the database''s clock.';
comment on column synthex.leases.host is 'The machine the holder runs on.';
comment on column synthex.leases.pid is 'The holders process on that machine.';
comment on column synthex.leases.command is 'The command the holder runs.';
comment on column synthex.leases.run_url is 'The CI run of the holder, where there is one.';
comment on column synthex.leases.commit_sha is 'The commit of the manifests that the holder applies.';
comment on column synthex.leases.acquired_at is 'When the holder took it.';
comment on column synthex.leases.name is 'What is leased: the workspace''s name.';
comment on column synthex.leases.token is 'The fencing token: rises by one each time the lease is taken. A write with an older token is refused.';
comment on column synthex.leases.holder is 'The run that holds the lease; null when it is free.';
comment on column synthex.leases.heartbeat_at is 'When the holder last said that it is alive.';
comment on column synthex.leases.expires_at is 'From then on anybody may take the lease over.';

create table synthex.batch_operations (
    id           uuid        primary key,
    revision     bigint      generated always as identity unique,
    project      text        not null,
    command      text        not null,
    actor        text        not null,
    host         text        not null,
    commit_sha   text,
    plan_digest  bytea       not null check (octet_length(plan_digest) = 32),
    status       text        not null check (status in ('applied', 'partly-applied', 'failed')),
    created      bigint      not null default 0,
    updated      bigint      not null default 0,
    deleted      bigint      not null default 0,
    restored     bigint      not null default 0,
    adopted      bigint      not null default 0,
    started_at   timestamptz not null,
    finished_at  timestamptz not null
);
comment on table synthex.batch_operations is 'Every apply is one operation, written in the transaction that it describes.';
comment on column synthex.batch_operations.id is 'Chosen by the run, so that a commit of unknown outcome can be looked up.';
comment on column synthex.batch_operations.project is 'The project whose manifests were applied.';
comment on column synthex.batch_operations.command is 'The command that ran.';
comment on column synthex.batch_operations.host is 'The machine it ran on.';
comment on column synthex.batch_operations.commit_sha is 'The commit of the manifests, where known.';
comment on column synthex.batch_operations.status is 'How it ended.';
comment on column synthex.batch_operations.created is 'How many rows were created.';
comment on column synthex.batch_operations.updated is 'How many rows were updated.';
comment on column synthex.batch_operations.deleted is 'How many rows were softly deleted.';
comment on column synthex.batch_operations.restored is 'How many softly deleted rows live again.';
comment on column synthex.batch_operations.adopted is 'How many rows became the projects.';
comment on column synthex.batch_operations.started_at is 'When the run began, by its own clock.';
comment on column synthex.batch_operations.finished_at is 'When this was recorded, by the databases clock.';
comment on column synthex.batch_operations.revision is 'The number of this operation; operations are counted over all projects of the database.';
comment on column synthex.batch_operations.actor is 'Who ran it: the CI identity, or user@host.';
comment on column synthex.batch_operations.plan_digest is 'SHA-256 of the plan that was executed.';

create table synthex.batch_operation_items (
    operation_id uuid    not null references synthex.batch_operations (id),
    seq          integer not null,
    workspace    text    not null,
    kind         text    not null,
    name         text    not null,
    action       text    not null check (action in ('create', 'update', 'delete', 'restore', 'adopt')),
    reason       text    not null,
    source       text,
    before       json,
    after        json,
    primary key (operation_id, seq)
);
comment on table synthex.batch_operation_items is 'What an operation did to each resource, with the canonical spec before and after: enough to reverse it.';
comment on column synthex.batch_operation_items.operation_id is 'The operation it is part of.';
comment on column synthex.batch_operation_items.seq is 'Its place in the order of execution, from 1.';
comment on column synthex.batch_operation_items.workspace is 'The workspace of the resource.';
comment on column synthex.batch_operation_items.kind is 'The table of the resource, without the schema.';
comment on column synthex.batch_operation_items.name is 'The name of the resource.';
comment on column synthex.batch_operation_items.action is 'What was done.';
comment on column synthex.batch_operation_items.reason is 'Why, as the plan said it.';
comment on column synthex.batch_operation_items.before is 'The canonical spec before; null for what was created.';
comment on column synthex.batch_operation_items.after is 'The canonical spec after; null for what was deleted.';
comment on column synthex.batch_operation_items.source is 'file:line:col of the declaration.';
create index batch_operation_items_by_key on synthex.batch_operation_items (workspace, kind, name);

-- The same triggers, comments and policies for every declared table, and the policies for the others with a workspace.
do $$
declare
    declared text;
    key_column text;
    foreign_write constant text := 'coalesce(current_setting(''synthex.engine'', true), '''') <> ''on''';
begin
    foreach declared in array array['workspaces', 'tenant_templates', 'tenants', 'credentials', 'notification_channels', 'alert_rules'] loop
        key_column := case declared when 'workspaces' then 'name' else 'workspace' end;
        execute format('create trigger a_capture_actor before insert or update or delete on synthex.%I for each statement when (%s) execute function synthex.capture_actor()', declared, foreign_write);
        execute format('create trigger b_mark_touched before insert or update on synthex.%I for each row when (%s) execute function synthex.mark_touched()', declared, foreign_write);
        execute format('create trigger c_log_drift after insert or update or delete on synthex.%I for each row when (%s) execute function synthex.log_drift()', declared, foreign_write);
        execute format('alter table synthex.%I enable row level security', declared);
        execute format('create policy one_workspace on synthex.%I using (%I = (select current_setting(''synthex.workspace'', true))) with check (%I = (select current_setting(''synthex.workspace'', true)))', declared, key_column, key_column);
        execute format('comment on column synthex.%I.id is ''Stays the same for the life of the resource, through renames.''', declared);
        execute format('comment on column synthex.%I.name is ''The name in the manifest''''s metadata.''', declared);
        execute format('comment on column synthex.%I.labels is ''Texts to select by.''', declared);
        execute format('comment on column synthex.%I.owner is ''The project that declares the row, cli for rows made by commands, null for rows made by hand.''', declared);
        execute format('comment on column synthex.%I.protected is ''While true, no plan deletes the row.''', declared);
        execute format('comment on column synthex.%I.digest is ''SHA-256 of the canonical spec that synthex last wrote.''', declared);
        execute format('comment on column synthex.%I.revision is ''Rises with every write, whoever writes.''', declared);
        execute format('comment on column synthex.%I.created_at is ''When the row was made.''', declared);
        execute format('comment on column synthex.%I.updated_at is ''When the row was last written, whoever wrote.''', declared);
        execute format('comment on column synthex.%I.deleted_at is ''When the row was softly deleted; null while it lives.''', declared);
        execute format('comment on column synthex.%I.touched_at is ''When something other than synthex last wrote the row; null since synthex wrote it.''', declared);
        execute format('comment on column synthex.%I.touched_by is ''The role that last wrote the row other than through synthex.''', declared);
        if declared <> 'workspaces' then
            execute format('comment on column synthex.%I.workspace is ''The workspace the row belongs to.''', declared);
        end if;
    end loop;
    foreach declared in array array['drift_events', 'batch_operation_items'] loop
        execute format('alter table synthex.%I enable row level security', declared);
        execute format('create policy one_workspace on synthex.%I using (workspace = (select current_setting(''synthex.workspace'', true)))', declared);
    end loop;
    alter table synthex.leases enable row level security;
    create policy one_workspace on synthex.leases using (name = (select current_setting('synthex.workspace', true)));
    alter table synthex.batch_operations enable row level security;
    create policy one_workspace on synthex.batch_operations using (exists (
        select from synthex.batch_operation_items as item
        where item.operation_id = batch_operations.id
          and item.workspace = (select current_setting('synthex.workspace', true))));
end
$$;

-- The record of what was applied is only ever added to, whoever runs the statement.
create function synthex.append_only() returns trigger
    language plpgsql
    set search_path = pg_catalog
    as $$
begin
    raise exception 'synthex.% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end
$$;
comment on function synthex.append_only() is 'Refuses to change or remove what was recorded.';
create trigger append_only before update or delete or truncate on synthex.batch_operations for each statement execute function synthex.append_only();
create trigger append_only before update or delete or truncate on synthex.batch_operation_items for each statement execute function synthex.append_only();
