-- The checklist of each tenant: which setup steps of its template were done, when and by whom.
--
-- It is no declared state: no plan writes it, and no manifest can. A step is known by its text, so that steps may be moved
-- about in a template; a tenant by its id, so that a rename takes its checklist along.
-- This file is never edited once it has been released.

create table synthex.setup_steps (
    workspace   text        not null,
    tenant_id   uuid        not null,
    step_digest bytea       not null check (octet_length(step_digest) = 32),
    step        text        not null,
    done_at     timestamptz not null default clock_timestamp(),
    done_by     text        not null,
    primary key (workspace, tenant_id, step_digest),
    foreign key (workspace, tenant_id) references synthex.tenants (workspace, id) on delete cascade
);
comment on table synthex.setup_steps is 'Which setup steps of a tenant are done: one row for each. What is not done has no row.';
comment on column synthex.setup_steps.workspace is 'The workspace of the tenant.';
comment on column synthex.setup_steps.tenant_id is 'The tenant whose step it is.';
comment on column synthex.setup_steps.step_digest is 'SHA-256 of the step''s text.';
comment on column synthex.setup_steps.step is 'The step, as its template said it when it was done.';
comment on column synthex.setup_steps.done_at is 'When it was marked as done, by the database''s clock.';
comment on column synthex.setup_steps.done_by is 'Who marked it: the CI identity, or user@host.';

alter table synthex.setup_steps enable row level security;
create policy one_workspace on synthex.setup_steps
    using (workspace = (select current_setting('synthex.workspace', true)))
    with check (workspace = (select current_setting('synthex.workspace', true)));
