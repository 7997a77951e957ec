-- What monitoring observes and does: results of health checks, alerts, notifications and their delivery.
--
-- Rules that hold for every table here:
--   * no plan reads or writes it; `alerts`, `notifications` and deliveries of one change are written in one transaction;
--   * ids are made by synthex (UUID version 7), so that what is sent twice after a crash carries the same id;
--   * leases are kept by the clock of the database, everything else by the clock of the evaluation.
-- This file is never edited once it has been released.

-- Health. What is looked at for no workspace in particular (database, disk, memory) has the workspace ''.
create table synthex.health_checks (
    id          uuid        primary key,
    workspace   text        not null default '',
    service     text        not null check (service in ('shopify', 'google-merchant', 'database', 'credentials', 'quotas', 'disk', 'memory')),
    subject     text        not null default '' check (length(subject) <= 300),
    status      text        not null check (status in ('healthy', 'degraded', 'unhealthy', 'unknown')),
    code        text        not null check (length(code) between 1 and 64),
    message     text        not null check (length(message) <= 1000),
    latency_ms  bigint      check (latency_ms >= 0),
    evidence    jsonb       not null default '{}' check (jsonb_typeof(evidence) = 'object'),
    maintenance boolean     not null default false,
    checked_at  timestamptz not null
);
comment on table synthex.health_checks is 'Results of health checks, one row for each time something was looked at.';
comment on column synthex.health_checks.id is 'Made where it was found.';
comment on column synthex.health_checks.workspace is 'The workspace; empty for what belongs to none.';
comment on column synthex.health_checks.service is 'What was looked at.';
comment on column synthex.health_checks.subject is 'Of what: the tenant, or the credential; empty where there is one only.';
comment on column synthex.health_checks.status is 'How it stood.';
comment on column synthex.health_checks.code is 'What was found, as a stable word: ok, wrong_shop, gcp_not_registered, timeout.';
comment on column synthex.health_checks.message is 'The same for people, in one line.';
comment on column synthex.health_checks.latency_ms is 'How long it took, in milliseconds; null where nothing was asked.';
comment on column synthex.health_checks.evidence is 'Numbers and words that show it; never a secret.';
comment on column synthex.health_checks.maintenance is 'Whether it fell into a maintenance window.';
comment on column synthex.health_checks.checked_at is 'When it was found.';
create index health_checks_by_subject on synthex.health_checks (workspace, service, subject, checked_at desc);
create index health_checks_by_time on synthex.health_checks (checked_at);

create table synthex.health_status (
    workspace     text        not null default '',
    service       text        not null check (service in ('shopify', 'google-merchant', 'database', 'credentials', 'quotas', 'disk', 'memory')),
    subject       text        not null default '' check (length(subject) <= 300),
    tenant        text,
    status        text        not null check (status in ('healthy', 'degraded', 'unhealthy', 'unknown')),
    since         timestamptz not null,
    last_status   text        not null check (last_status in ('healthy', 'degraded', 'unhealthy', 'unknown')),
    code          text        not null check (length(code) between 1 and 64),
    message       text        not null check (length(message) <= 1000),
    latency_ms    bigint      check (latency_ms >= 0),
    evidence      jsonb       not null default '{}' check (jsonb_typeof(evidence) = 'object'),
    failures      bigint      not null default 0 check (failures >= 0),
    successes     bigint      not null default 0 check (successes >= 0),
    severe        bigint      not null default 0,
    checked_at    timestamptz not null,
    due_at        timestamptz,
    claimed_by    text,
    claimed_until timestamptz,
    primary key (workspace, service, subject)
);
comment on table synthex.health_status is 'How everything that is looked at stands now, with the counters that decide when that changes.';
comment on column synthex.health_status.workspace is 'The workspace; empty for what belongs to none.';
comment on column synthex.health_status.service is 'What is looked at.';
comment on column synthex.health_status.subject is 'Of what: the tenant, or the credential; empty where there is one only.';
comment on column synthex.health_status.tenant is 'The tenant it is about; null where it is about none.';
comment on column synthex.health_status.status is 'How it stands, once enough results in a row said so.';
comment on column synthex.health_status.since is 'Since when.';
comment on column synthex.health_status.last_status is 'What the last result said.';
comment on column synthex.health_status.code is 'What the last result found, as a stable word.';
comment on column synthex.health_status.message is 'The same for people.';
comment on column synthex.health_status.latency_ms is 'How long the last result took, in milliseconds.';
comment on column synthex.health_status.evidence is 'What shows the last result.';
comment on column synthex.health_status.failures is 'How many bad results came in a row.';
comment on column synthex.health_status.successes is 'How many good results came in a row.';
comment on column synthex.health_status.severe is 'How many results in a row said unhealthy; below zero, how many said something else.';
comment on column synthex.health_status.checked_at is 'When it was last looked at.';
comment on column synthex.health_status.due_at is 'When it is to be looked at again; null where nobody does by himself.';
comment on column synthex.health_status.claimed_by is 'Who is looking at it.';
comment on column synthex.health_status.claimed_until is 'From then on anybody else may, by the clock of the database.';

-- Alerts.
create table synthex.alerts (
    id              uuid        primary key,
    workspace       text        not null references synthex.workspaces (name) on update cascade on delete cascade,
    rule            text,
    kind            text        not null check (kind in ('credential_expiry', 'expiry_unknown', 'renewal_failed', 'health_status', 'usage_threshold', 'delivery_failed')),
    fingerprint     bytea       not null check (octet_length(fingerprint) = 32),
    tenant          text,
    service         text,
    subject         text        not null default '',
    subject_id      uuid,
    labels          jsonb       not null default '{}' check (jsonb_typeof(labels) = 'object'),
    severity        text        not null check (severity in ('info', 'warning', 'critical')),
    status          text        not null check (status in ('unrouted', 'pending', 'firing', 'acknowledged', 'resolved')),
    title           text        not null check (length(title) <= 1000),
    message         text        not null check (length(message) <= 4000),
    threshold       text,
    generation      text,
    expires_at      timestamptz,
    evidence        jsonb       not null default '{}' check (jsonb_typeof(evidence) = 'object'),
    started_at      timestamptz not null,
    fired_at        timestamptz,
    changed_at      timestamptz not null,
    resolved_at     timestamptz,
    resolve_reason  text        check (resolve_reason in ('recovered', 'renewed', 'rule_changed', 'rule_removed', 'removed', 'suspended', 'revoked')),
    acknowledged_at timestamptz,
    acknowledged_by text,
    ack_comment     text        check (length(ack_comment) <= 2000),
    ack_until       timestamptz,
    muted_by        text[]      not null default '{}',
    muted_since     timestamptz,
    is_flapping     boolean     not null default false,
    transitions     timestamptz[] not null default '{}',
    notified_at     timestamptz,
    reminders       bigint      not null default 0 check (reminders >= 0),
    revision        bigint      not null default 1,
    check ((status = 'resolved') = (resolved_at is not null)),
    check ((status = 'acknowledged') <= (acknowledged_at is not null))
);
comment on table synthex.alerts is 'What is wrong, or was: one row from the first sign of it to its end.';
comment on column synthex.alerts.id is 'Made by the evaluation that found it.';
comment on column synthex.alerts.workspace is 'The workspace of the rule, or of what is wrong.';
comment on column synthex.alerts.rule is 'The rule that raised it; null where none fits, which the status unrouted says too.';
comment on column synthex.alerts.kind is 'What sort of thing is wrong.';
comment on column synthex.alerts.fingerprint is 'SHA-256 of the labels that make it this alert; one open row for each.';
comment on column synthex.alerts.tenant is 'The tenant it is about.';
comment on column synthex.alerts.service is 'The service it is about.';
comment on column synthex.alerts.subject is 'What it is about within that: the credential, the check, the metric, the channel.';
comment on column synthex.alerts.subject_id is 'The id of that, where it has one: it stays through renames.';
comment on column synthex.alerts.labels is 'What silences and routes choose by.';
comment on column synthex.alerts.severity is 'How urgent it is now.';
comment on column synthex.alerts.status is 'Where it is in its life.';
comment on column synthex.alerts.title is 'What is wrong, in one line.';
comment on column synthex.alerts.message is 'What is wrong, and what to do.';
comment on column synthex.alerts.threshold is 'Of expiry: the tightest threshold that was crossed.';
comment on column synthex.alerts.generation is 'Of expiry: which secret it is about. A new one starts anew.';
comment on column synthex.alerts.expires_at is 'Of expiry: when.';
comment on column synthex.alerts.evidence is 'Numbers and words that show it; never a secret.';
comment on column synthex.alerts.started_at is 'When the first sign of it was seen.';
comment on column synthex.alerts.fired_at is 'When it was raised.';
comment on column synthex.alerts.changed_at is 'When its status last changed.';
comment on column synthex.alerts.resolved_at is 'When it was over.';
comment on column synthex.alerts.resolve_reason is 'Why it was over.';
comment on column synthex.alerts.acknowledged_at is 'When somebody said that they know.';
comment on column synthex.alerts.acknowledged_by is 'Who.';
comment on column synthex.alerts.ack_comment is 'What they said.';
comment on column synthex.alerts.ack_until is 'Until when that holds; null for until its end.';
comment on column synthex.alerts.muted_by is 'What keeps it from being told: silence/NAME, window/NAME, inhibition/WHAT.';
comment on column synthex.alerts.muted_since is 'Since when.';
comment on column synthex.alerts.is_flapping is 'Whether it came and went too often, and is held back until it is quiet.';
comment on column synthex.alerts.transitions is 'When it came and went last, the newest last.';
comment on column synthex.alerts.notified_at is 'When a message about it was last queued; null where nobody was told.';
comment on column synthex.alerts.reminders is 'How many reminders were queued.';
comment on column synthex.alerts.revision is 'Rises with every write.';
create unique index alerts_open on synthex.alerts (workspace, fingerprint) where status <> 'resolved';
create index alerts_by_change on synthex.alerts (workspace, changed_at desc);
create index alerts_by_rule on synthex.alerts (workspace, rule) where status <> 'resolved';

-- The life of an alert, whoever writes (M-L1).
create function synthex.check_alert() returns trigger
    language plpgsql
    set search_path = pg_catalog
    as $$
begin
    if old.status <> new.status and not (case old.status
        when 'pending' then new.status in ('firing', 'resolved')
        when 'firing' then new.status in ('acknowledged', 'resolved')
        when 'acknowledged' then new.status in ('firing', 'resolved')
        when 'unrouted' then new.status in ('pending', 'firing', 'resolved')
        else false end)
    then
        raise exception 'an alert that is % does not become %', old.status, new.status using errcode = 'check_violation';
    end if;
    if old.status = 'resolved' and new is distinct from old then
        raise exception 'an alert that is over does not change' using errcode = 'check_violation';
    end if;
    return new;
end
$$;
comment on function synthex.check_alert() is 'Refuses what does not happen in the life of an alert.';
create trigger check_alert before update on synthex.alerts for each row execute function synthex.check_alert();

create table synthex.alert_thresholds (
    workspace  text        not null references synthex.workspaces (name) on update cascade on delete cascade,
    rule       text        not null,
    credential uuid        not null,
    generation text        not null,
    threshold  text        not null,
    state      text        not null check (state in ('told', 'superseded')),
    alert      uuid        not null,
    crossed_at timestamptz not null,
    primary key (workspace, rule, credential, generation, threshold)
);
comment on table synthex.alert_thresholds is 'Which thresholds of a credential''s expiry were crossed: each is told once for each secret.';
comment on column synthex.alert_thresholds.workspace is 'The workspace of the rule.';
comment on column synthex.alert_thresholds.rule is 'The rule.';
comment on column synthex.alert_thresholds.credential is 'The id of the credential.';
comment on column synthex.alert_thresholds.generation is 'Which secret: its expiry and the number of its renewal.';
comment on column synthex.alert_thresholds.threshold is 'The threshold, as the rule writes it.';
comment on column synthex.alert_thresholds.state is 'Whether it was told, or a tighter one in its place.';
comment on column synthex.alert_thresholds.alert is 'The alert that told it.';
comment on column synthex.alert_thresholds.crossed_at is 'When that was noticed.';

create table synthex.alert_groups (
    workspace   text        not null references synthex.workspaces (name) on update cascade on delete cascade,
    rule        text        not null,
    group_key   text        not null check (length(group_key) <= 2000),
    notified_at timestamptz,
    due_at      timestamptz,
    primary key (workspace, rule, group_key)
);
comment on table synthex.alert_groups is 'When a group of alerts that are told together was last told, and is next.';
comment on column synthex.alert_groups.workspace is 'The workspace of the rule.';
comment on column synthex.alert_groups.rule is 'The rule.';
comment on column synthex.alert_groups.group_key is 'What the alerts have in common.';
comment on column synthex.alert_groups.notified_at is 'When a message about it was last queued.';
comment on column synthex.alert_groups.due_at is 'When alerts that wait are told; null where none waits.';

create table synthex.alert_evaluations (
    workspace    text        not null references synthex.workspaces (name) on update cascade on delete cascade,
    rule         text        not null,
    evaluated_at timestamptz not null,
    next_due_at  timestamptz,
    primary key (workspace, rule)
);
comment on table synthex.alert_evaluations is 'When each rule was last evaluated, so that a run that was missed is made up for.';
comment on column synthex.alert_evaluations.workspace is 'The workspace of the rule.';
comment on column synthex.alert_evaluations.rule is 'The rule.';
comment on column synthex.alert_evaluations.evaluated_at is 'When it was last evaluated.';
comment on column synthex.alert_evaluations.next_due_at is 'When its schedule comes next; null where it never does.';

-- Notifications: what is to be told, to whom, and what came of it (an outbox).
create table synthex.notifications (
    id         uuid        primary key,
    workspace  text        not null references synthex.workspaces (name) on update cascade on delete cascade,
    type       text        not null check (type in ('credential_expiry', 'health_alert', 'usage_threshold', 'system_error', 'message')),
    event      text        not null check (event in ('firing', 'resolved', 'fired_and_resolved', 'reminder', 'flapping', 'delivery_failed', 'test', 'message')),
    severity   text        not null check (severity in ('info', 'warning', 'critical')),
    title      text        not null check (length(title) between 1 and 1000),
    message    text        not null check (length(message) <= 4000),
    content    jsonb       not null check (jsonb_typeof(content) = 'object'),
    alerts     uuid[]      not null default '{}',
    rule       text,
    replay_of  uuid,
    created_by text        not null check (length(created_by) <= 300),
    created_at timestamptz not null
);
comment on table synthex.notifications is 'What is to be told, written in the transaction that changes what it tells.';
comment on column synthex.notifications.id is 'Made where it was written.';
comment on column synthex.notifications.workspace is 'The workspace it is told in.';
comment on column synthex.notifications.type is 'What sort of thing it tells.';
comment on column synthex.notifications.event is 'What happened to the alerts it tells of.';
comment on column synthex.notifications.severity is 'How urgent it is.';
comment on column synthex.notifications.title is 'What it says, in one line.';
comment on column synthex.notifications.message is 'What it says.';
comment on column synthex.notifications.content is 'The same in parts, from which each channel makes its own form.';
comment on column synthex.notifications.alerts is 'The alerts it tells of.';
comment on column synthex.notifications.rule is 'The rule whose alerts they are; null where it is not about alerts.';
comment on column synthex.notifications.replay_of is 'The notification that it repeats, because somebody asked for it.';
comment on column synthex.notifications.created_by is 'Who wrote it: the evaluation, or user@host.';
comment on column synthex.notifications.created_at is 'When it was written.';
create index notifications_by_time on synthex.notifications (workspace, created_at desc);
create index notifications_by_alert on synthex.notifications using gin (alerts);

create table synthex.notification_deliveries (
    id              uuid        primary key,
    seq             bigint      generated always as identity,
    workspace       text        not null references synthex.workspaces (name) on update cascade on delete cascade,
    notification    uuid        not null references synthex.notifications (id) on delete cascade,
    channel         text        not null,
    target          text        not null default '' check (length(target) <= 300),
    ordering_key    text        not null default '',
    state           text        not null default 'pending' check (state in ('pending', 'sending', 'sent', 'retrying', 'failed', 'dead', 'cancelled', 'suppressed')),
    reason          text        check (length(reason) <= 300),
    attempts        bigint      not null default 0 check (attempts >= 0),
    next_attempt_at timestamptz not null,
    leased_by       text,
    lease_token     bigint      not null default 0,
    leased_until    timestamptz,
    first_tried_at  timestamptz,
    finished_at     timestamptz,
    last_code       text        check (length(last_code) <= 64),
    last_error      text        check (length(last_error) <= 1000),
    is_fallback     boolean     not null default false,
    retried_at      timestamptz,
    retried_by      text        check (length(retried_by) <= 300),
    created_at      timestamptz not null,
    unique (notification, channel, target),
    check ((state = 'sending') = (leased_until is not null)),
    check ((state in ('sent', 'failed', 'dead', 'cancelled', 'suppressed')) = (finished_at is not null))
);
comment on table synthex.notification_deliveries is 'One row for each notification, channel and target: what came of it.';
comment on column synthex.notification_deliveries.id is 'Carried by every attempt, as webhook-id, Idempotency-Key and Message-ID, so that receivers know it again.';
comment on column synthex.notification_deliveries.seq is 'The order in which deliveries were queued.';
comment on column synthex.notification_deliveries.workspace is 'The workspace of the channel.';
comment on column synthex.notification_deliveries.notification is 'What is delivered.';
comment on column synthex.notification_deliveries.channel is 'Through which channel.';
comment on column synthex.notification_deliveries.target is 'To whom: a mail address, a recipient of the inbox; empty where the channel has one target.';
comment on column synthex.notification_deliveries.ordering_key is 'Deliveries of one channel, target and key go out in their order.';
comment on column synthex.notification_deliveries.state is 'Where it is: failed for what will never succeed, dead for what was tried often enough.';
comment on column synthex.notification_deliveries.reason is 'Why it was cancelled or suppressed.';
comment on column synthex.notification_deliveries.attempts is 'How often it was tried.';
comment on column synthex.notification_deliveries.next_attempt_at is 'Not before then.';
comment on column synthex.notification_deliveries.leased_by is 'Which worker is sending it.';
comment on column synthex.notification_deliveries.lease_token is 'Rises with each lease: what a worker says of an older one does not count.';
comment on column synthex.notification_deliveries.leased_until is 'From then on another worker may send it, by the clock of the database.';
comment on column synthex.notification_deliveries.first_tried_at is 'When it was first tried.';
comment on column synthex.notification_deliveries.finished_at is 'When it came to an end.';
comment on column synthex.notification_deliveries.last_code is 'What the last attempt came to, as a stable word.';
comment on column synthex.notification_deliveries.last_error is 'Why the last attempt failed.';
comment on column synthex.notification_deliveries.is_fallback is 'Whether it stands in for one that did not get through; what fails then has no other fallback.';
comment on column synthex.notification_deliveries.retried_at is 'When somebody last had it tried again; null where nobody did.';
comment on column synthex.notification_deliveries.retried_by is 'Who.';
comment on column synthex.notification_deliveries.created_at is 'When it was queued.';
create index notification_deliveries_due on synthex.notification_deliveries (next_attempt_at, seq) where state in ('pending', 'retrying');
create index notification_deliveries_leased on synthex.notification_deliveries (leased_until) where state = 'sending';
create index notification_deliveries_open on synthex.notification_deliveries (workspace, channel, target, ordering_key, seq) where state in ('pending', 'sending', 'retrying');
create index notification_deliveries_by_state on synthex.notification_deliveries (workspace, state, created_at desc);

create table synthex.delivery_attempts (
    delivery   uuid        not null references synthex.notification_deliveries (id) on delete cascade,
    attempt    bigint      not null check (attempt > 0),
    workspace  text        not null,
    began_at   timestamptz not null,
    latency_ms bigint      not null check (latency_ms >= 0),
    outcome    text        not null check (outcome in ('sent', 'transient', 'permanent')),
    status     bigint,
    code       text        not null check (length(code) <= 64),
    response   text        check (octet_length(response) <= 2048),
    primary key (delivery, attempt)
);
comment on table synthex.delivery_attempts is 'Every attempt to deliver, with what the receiver said.';
comment on column synthex.delivery_attempts.delivery is 'The delivery.';
comment on column synthex.delivery_attempts.attempt is 'Which attempt, from 1.';
comment on column synthex.delivery_attempts.workspace is 'The workspace of the channel.';
comment on column synthex.delivery_attempts.began_at is 'When it began.';
comment on column synthex.delivery_attempts.latency_ms is 'How long it took, in milliseconds.';
comment on column synthex.delivery_attempts.outcome is 'Whether it got through, and if not, whether a later one may.';
comment on column synthex.delivery_attempts.status is 'The status of the answer (HTTP or SMTP); null where there was none.';
comment on column synthex.delivery_attempts.code is 'What it came to, as a stable word: ok, timeout, rate_limited, invalid_payload.';
comment on column synthex.delivery_attempts.response is 'The start of the answer, at most 2 KiB, without what is secret.';

create table synthex.channel_status (
    workspace       text        not null references synthex.workspaces (name) on update cascade on delete cascade,
    channel         text        not null,
    paused_until    timestamptz,
    disabled_at     timestamptz,
    disabled_reason text        check (length(disabled_reason) <= 300),
    disabled_digest bytea,
    next_slot_at    timestamptz,
    last_sent_at    timestamptz,
    last_failed_at  timestamptz,
    last_code       text,
    primary key (workspace, channel)
);
comment on table synthex.channel_status is 'What was learnt of channels while delivering: whose receiver asked for a pause, or is gone.';
comment on column synthex.channel_status.workspace is 'The workspace of the channel.';
comment on column synthex.channel_status.channel is 'The channel.';
comment on column synthex.channel_status.paused_until is 'Nothing is sent before then: the receiver asked for it.';
comment on column synthex.channel_status.disabled_at is 'Since when nothing is sent, because the receiver is gone; null while it is used.';
comment on column synthex.channel_status.disabled_reason is 'What the receiver said.';
comment on column synthex.channel_status.disabled_digest is 'What the channel was then; once its manifest changes it is used again.';
comment on column synthex.channel_status.next_slot_at is 'When the next message may go out, by the channel''s rate limit.';
comment on column synthex.channel_status.last_sent_at is 'When something last got through.';
comment on column synthex.channel_status.last_failed_at is 'When something last did not.';
comment on column synthex.channel_status.last_code is 'What that came to.';

create table synthex.inbox_items (
    id           uuid        primary key,
    workspace    text        not null references synthex.workspaces (name) on update cascade on delete cascade,
    channel      text        not null,
    recipient    text        not null default '' check (length(recipient) <= 300),
    notification uuid        not null,
    severity     text        not null check (severity in ('info', 'warning', 'critical')),
    title        text        not null,
    body         text        not null,
    state        text        not null default 'unread' check (state in ('unread', 'read', 'archived')),
    created_at   timestamptz not null,
    read_at      timestamptz,
    archived_at  timestamptz
);
comment on table synthex.inbox_items is 'The inbox of in-app channels. It survives the retention of notifications.';
comment on column synthex.inbox_items.id is 'The id of the delivery, so that one that is repeated is there once.';
comment on column synthex.inbox_items.workspace is 'The workspace of the channel.';
comment on column synthex.inbox_items.channel is 'The channel it came through.';
comment on column synthex.inbox_items.recipient is 'Whose inbox; empty for the one that everybody shares.';
comment on column synthex.inbox_items.notification is 'The notification it tells.';
comment on column synthex.inbox_items.severity is 'How urgent it is.';
comment on column synthex.inbox_items.title is 'What it says, in one line.';
comment on column synthex.inbox_items.body is 'What it says.';
comment on column synthex.inbox_items.state is 'Whether it was read, or put away.';
comment on column synthex.inbox_items.created_at is 'When it came.';
comment on column synthex.inbox_items.read_at is 'When it was read.';
comment on column synthex.inbox_items.archived_at is 'When it was put away.';
create index inbox_items_by_recipient on synthex.inbox_items (workspace, recipient, state, created_at desc);

do $$
declare
    runtime text;
begin
    foreach runtime in array array['health_checks', 'health_status', 'alerts', 'alert_thresholds', 'alert_groups', 'alert_evaluations',
                                   'notifications', 'notification_deliveries', 'delivery_attempts', 'channel_status', 'inbox_items'] loop
        execute format('alter table synthex.%I enable row level security', runtime);
        -- The setting is empty after a transaction that had one: that names no workspace.
        execute format('create policy one_workspace on synthex.%I using (workspace = (select current_setting(''synthex.workspace'', true)) and workspace <> '''') with check (workspace = (select current_setting(''synthex.workspace'', true)) and workspace <> '''')', runtime);
    end loop;
end
$$;
