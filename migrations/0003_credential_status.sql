-- What controllers and commands observe of credentials, apart from what is declared of them.
--
-- This file is never edited once it has been released.

-- Declared: whether a credential is used. Manifests that do not say it mean active, so digests stay what they are.
alter table synthex.credentials
    add column status text not null default 'active' check (status in ('active', 'revoked'));
comment on column synthex.credentials.status is 'Whether it is used: active, or revoked, which keeps the row and stops its use.';

-- Observed: one row for each credential that somebody looked at. No plan depends on it, and writing it is no drift.
create table synthex.credential_status (
    workspace           text        not null,
    credential          uuid        not null,
    last_verified_at    timestamptz,
    verify_outcome      text        check (length(verify_outcome) between 1 and 64),
    verify_verdict      text        check (verify_verdict in ('valid', 'degraded', 'unknown', 'unusable', 'invalid')),
    verify_message      text        check (length(verify_message) <= 1000),
    last_valid_at       timestamptz,
    access_expires_at   timestamptz,
    observed_expires_at timestamptz,
    renewal_tried_at    timestamptz,
    renewal_outcome     text        check (length(renewal_outcome) between 1 and 64),
    last_renewed_at     timestamptz,
    last_renewal_error  text        check (length(last_renewal_error) <= 1000),
    renewal_failures    bigint      not null default 0 check (renewal_failures >= 0),
    generation          bigint      not null default 0 check (generation >= 0),
    primary key (workspace, credential),
    foreign key (workspace, credential) references synthex.credentials (workspace, id) on delete cascade
);
comment on table synthex.credential_status is 'What was observed of credentials: by verify, by renew, by the controller. Never a secret, and never looked at by a plan.';
comment on column synthex.credential_status.workspace is 'The workspace of the credential.';
comment on column synthex.credential_status.credential is 'The id of the credential; it stays through renames.';
comment on column synthex.credential_status.last_verified_at is 'When the provider was last asked, or could not be.';
comment on column synthex.credential_status.verify_outcome is 'What was found then, as one of the outcomes of docs/credentials.md: valid, unauthorized, unreachable.';
comment on column synthex.credential_status.verify_verdict is 'What that means for who wants to use it.';
comment on column synthex.credential_status.verify_message is 'The same for people.';
comment on column synthex.credential_status.last_valid_at is 'When the provider last took it.';
comment on column synthex.credential_status.access_expires_at is 'When the access token ends, as the secret says.';
comment on column synthex.credential_status.observed_expires_at is 'When it stops working unless a person does something, as the secret says; wins over the declared expiry.';
comment on column synthex.credential_status.renewal_tried_at is 'When a renewal was last tried.';
comment on column synthex.credential_status.renewal_outcome is 'What came of it, as one of the outcomes: renewed, invalid_grant, cannot_save.';
comment on column synthex.credential_status.last_renewed_at is 'When it was last renewed.';
comment on column synthex.credential_status.last_renewal_error is 'Why the last renewal failed; null since one succeeded.';
comment on column synthex.credential_status.renewal_failures is 'How many renewals failed since one succeeded.';
comment on column synthex.credential_status.generation is 'Rises with every renewal: alerts about an earlier generation are over.';
alter table synthex.credential_status enable row level security;
create policy one_workspace on synthex.credential_status
    using (workspace = (select current_setting('synthex.workspace', true)))
    with check (workspace = (select current_setting('synthex.workspace', true)));

-- Whose turn it is to renew. The row is locked for as long as a renewal takes, so that a shop's refresh token is spent by
-- one process at a time; a process that dies gives it back with its connection. A shop may be in several workspaces, so
-- the table is the owner's alone.
create table synthex.renewal_turns (
    turn     text        primary key,
    holder   text,
    taken_at timestamptz not null default clock_timestamp()
);
comment on table synthex.renewal_turns is 'One row for each shop or credential that was ever renewed, locked while a renewal is under way.';
comment on column synthex.renewal_turns.turn is 'What is renewed: shopify/SHOP, or credential/ID.';
comment on column synthex.renewal_turns.holder is 'Who renewed last: user@host.';
comment on column synthex.renewal_turns.taken_at is 'When that was finished, by the clock of the database.';
alter table synthex.renewal_turns enable row level security;
