//! An estate on a bad night, with something on every page; and the way for a browser to look at it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use synthex::model::clock::{Clock, SystemClock};
use synthex::watch::http::{LeaseSeen, Vitals};
use synthex::watch::{Board, Entry, Ran, Stop, Stopper, Task, TaskCode, TaskFailure, once};

use crate::support::estate::Estate;

use super::site::Site;

/// What nobody should be called, and somebody will.
pub const NASTY: &str = r#"<script>alert("x")</script> & 'שלום' "#;

/// An estate with something on every page.
pub fn night(hint: &str) -> Estate {
    let estate = Estate::applied(hint);
    estate.edit("T1.yaml", "status: active", "status: suspended");
    estate.apply().ok();
    let tenants = TENANTS.replace("'NASTY'", &format!("'{}'", NASTY.replace('\'', "''")));
    for sql in [tenants.as_str(), CREDENTIALS, HEALTH, ALERTS, NOTIFICATIONS, WATCH, USAGE] {
        estate.database.sql(&format!("{AS_SYNTHEX} {sql}"));
    }
    estate
}

/// Else every row would count as edited by hand.
const AS_SYNTHEX: &str = "select set_config('synthex.engine', 'on', true);";

/// 140 more tenants in four more workspaces.
const TENANTS: &str = "
    insert into synthex.workspaces (name, market, region)
        select name, market, region from (values ('anz-enterprise', 'ANZ_ENTERPRISE', 'AU-SE1'), ('anz-smb', 'ANZ_SMB', 'NZ-NR1'),
            ('uk-smb', 'UK_SMB', 'EU-WE1'), ('us-smb', 'US_SMB', 'US-EA1')) as w (name, market, region);
    insert into synthex.tenants (workspace, name, display_name, type, market, region, status, owner, shopify_shop)
        select w, upper(replace(w, '-', '_')) || '_' || to_char(n, 'FM000'), (array['Acme Corp', 'Blue Gum Candles', 'Harbour Bikes',
            'Kiln & Clay', 'Southern Cross Supplies'])[1 + n % 5] || ' ' || n, 'shopify', m, r,
            case when n % 17 = 0 then 'suspended' else 'active' end, 'test', lower(w) || '-' || n || '.myshopify.com'
        from (values ('anz-smb', 'ANZ_SMB', 'AU-SE1'), ('uk-smb', 'UK_SMB', 'EU-WE1'), ('us-smb', 'US_SMB', 'US-EA1'),
            ('anz-enterprise', 'ANZ_ENTERPRISE', 'AU-SE1')) as w (w, m, r), generate_series(1, 35) as n;
    insert into synthex.tenants (workspace, name, display_name, type, market, region, owner)
        values ('anz-smb', 'A_NASTY', 'NASTY', 'shopify', 'ANZ_SMB', 'AU-SE1', null);
    update synthex.tenants set touched_at = now() - interval '3 minutes', touched_by = 'support_ro' where name like 'UK_SMB_00%';";

const CREDENTIALS: &str = "
    insert into synthex.credentials (workspace, name, tenant, service, secret_ref, declared_expires_at, renewal, owner)
        select workspace, lower(name) || '-shopify', name, 'shopify', '{\"env\": \"TOKEN\"}',
            now() + (n - 3) * interval '31 hours', case when n % 3 = 0 then 'shopify-refresh-token' else 'none' end, 'test'
        from (select *, row_number() over (order by name) as n from synthex.tenants where workspace = 'us-smb') as t;
    insert into synthex.credential_status (workspace, credential, last_verified_at, verify_outcome, verify_verdict, verify_message,
            last_renewed_at, renewal_failures)
        select workspace, id, now() - interval '11 minutes', case when n = 1 then 'unauthorized' else 'valid' end,
            case when n = 1 then 'invalid' else 'valid' end, case when n = 1 then 'the shop does not take it any more' else 'it is taken' end,
            case when n % 3 = 0 then now() - interval '2 days' end, case when n = 6 then 4 else 0 end
        from (select *, row_number() over (order by name) as n from synthex.credentials where workspace = 'us-smb') as c;";

const HEALTH: &str = "
    insert into synthex.health_status (workspace, service, subject, tenant, status, since, last_status, code, message, latency_ms, checked_at)
        select workspace, 'shopify', name, name, s, now() - n * interval '17 minutes', s,
            case s when 'healthy' then 'ok' when 'degraded' then 'slow' else 'timeout' end,
            case s when 'healthy' then 'the shop answers' when 'degraded' then 'the shop answers slowly: 2,431 ms'
                else 'the shop did not answer within 10 s' end, case when s <> 'unhealthy' then 180 + 40 * n end, now() - interval '4 minutes'
        from (select *, row_number() over (order by name) as n from synthex.tenants where workspace in ('us-smb', 'uk-smb')) as t
            cross join lateral (select case when n in (2, 9, 30) then 'unhealthy' when n % 13 = 0 then 'degraded' else 'healthy' end) as x (s);
    insert into synthex.health_status (workspace, service, subject, status, since, last_status, code, message, latency_ms, checked_at)
        values ('', 'database', '', 'healthy', now() - interval '9 days', 'healthy', 'ok', 'it answers', 3, now() - interval '2 minutes'),
            ('', 'disk', 'controller-1', 'degraded', now() - interval '2 hours', 'degraded', 'little_space', '11 % of the disk are free', 0, now() - interval '2 minutes');
    insert into synthex.health_checks (id, workspace, service, subject, status, code, message, latency_ms, checked_at)
        select gen_random_uuid(), workspace, service, subject,
            case when k < 3 then status when (k * 7 + length(subject)) % 23 = 0 then 'unhealthy' when (k + length(subject)) % 11 = 0 then 'degraded' else 'healthy' end,
            'ok', 'it', 100 + k, now() - k * interval '15 minutes'
        from synthex.health_status cross join generate_series(0, 50) as k;";

const ALERTS: &str = "
    insert into synthex.alerts (id, workspace, rule, kind, fingerprint, tenant, service, subject, labels, severity, status, title, message,
            threshold, expires_at, started_at, fired_at, changed_at, acknowledged_at, acknowledged_by, ack_comment, resolved_at, resolve_reason)
        select ('00000000-0000-7000-8000-00000000000' || n)::uuid, 'us-smb', rule, kind, decode(repeat('0' || n, 32), 'hex'), tenant, 'shopify',
            subject, jsonb_build_object('workspace', 'us-smb', 'tenant', tenant), severity, status, title, message, threshold, now() + left_over,
            now() - n * interval '50 minutes', now() - n * interval '50 minutes', now() - interval '1 minute',
            case status when 'acknowledged' then now() - interval '5 minutes' end, case status when 'acknowledged' then 'kim@ops-3' end,
            case status when 'acknowledged' then 'the merchant is called' end, case status when 'resolved' then now() - interval '9 minutes' end,
            case status when 'resolved' then 'recovered' end
        from (values
            (1, 'shops', 'health_status', 'US_SMB_002', 'US_SMB_002', 'critical', 'firing', 'Shopify of US_SMB_002 is unhealthy', 'It did not answer within 10 s.', null, null::interval),
            (2, 'expiry', 'credential_expiry', 'US_SMB_001', 'us_smb_001-shopify', 'critical', 'firing', 'The credential has expired', 'Renew it.', 'expired', interval '-50 hours'),
            (3, 'expiry', 'credential_expiry', 'US_SMB_006', 'us_smb_006-shopify', 'warning', 'firing', 'The credential expires', 'Renew it.', '7d', interval '4 days'),
            (4, 'shops', 'health_status', 'US_SMB_013', 'US_SMB_013', 'warning', 'acknowledged', 'Shopify of US_SMB_013 is degraded', 'It is slow.', null, null),
            (5, 'shops', 'health_status', 'US_SMB_020', 'US_SMB_020', 'critical', 'resolved', 'Shopify of US_SMB_020 was unhealthy', 'It answers again.', null, null))
            as v (n, rule, kind, tenant, subject, severity, status, title, message, threshold, left_over);";

const NOTIFICATIONS: &str = "
    insert into synthex.notifications (id, workspace, type, event, severity, title, message, content, created_by, created_at)
        select ('00000000-0000-7000-9000-00000000000' || n)::uuid, 'us-smb', 'health_alert', event, severity, title, 'More of it.', '{}', 'watch', now() - n * interval '13 minutes'
        from (values (1, 'firing', 'critical', 'Shopify of US_SMB_002 is unhealthy'), (2, 'firing', 'warning', '2 credentials expire within 7 days'),
            (3, 'resolved', 'info', 'Shopify of US_SMB_020 is healthy again')) as v (n, event, severity, title);
    insert into synthex.notification_deliveries (id, workspace, notification, channel, state, attempts, next_attempt_at, finished_at, last_code, last_error, created_at)
        select ('00000000-0000-7000-a000-0000000000' || n)::uuid, 'us-smb', ('00000000-0000-7000-9000-00000000000' || left(n, 1))::uuid, channel, state, attempts, now() + interval '3 minutes',
            case when state in ('sent', 'dead', 'failed') then now() - interval '7 minutes' end, code, error, now() - interval '13 minutes'
        from (values ('11', 'ops-slack', 'dead', 12, 'http_503', 'hooks.example answered 503: service unavailable'), ('12', 'on-call-mail', 'sent', 1, 'ok', null),
            ('21', 'ops-slack', 'retrying', 3, 'timeout', 'there was no answer within 10 s'), ('31', 'on-call-mail', 'sent', 1, 'ok', null))
            as v (n, channel, state, attempts, code, error);";

const WATCH: &str = "
    insert into synthex.watch_conditions (project, environment, workspace, type, status, reason, message, since, updated_at)
        select 'test', '', w, type, case when w = 'uk-smb' and type in ('Ready', 'Synced') then 'False' when w = 'us-smb' and type in ('Ready', 'Healthy') then 'False'
                when type in ('Ready', 'Synced', 'Healthy') then 'True' when w = 'anz-enterprise' and type = 'Paused' then 'True'
                when w = 'anz-smb' and type = 'Flapping' then 'True' else 'False' end,
            case when w = 'uk-smb' and type = 'Synced' then 'Drift' when w = 'us-smb' and type = 'Healthy' then 'ChecksFailing' when w = 'anz-smb' and type = 'Flapping' then 'TwoWriters' else 'AsDeclared' end,
            case when w = 'uk-smb' and type = 'Synced' then '9 tenants were edited by support_ro and are set back' when w = 'us-smb' and type = 'Healthy' then '2 of 35 shops do not answer'
                when w = 'anz-smb' and type = 'Flapping' then 'tenant A_NASTY was set back 4 times: import_job keeps changing /spec/displayName' else 'all is as declared' end,
            now() - interval '26 minutes', now()
        from unnest(array['w', 'uk-smb', 'us-smb', 'anz-smb', 'anz-enterprise']) as w, unnest(array['Ready', 'Synced', 'Healthy', 'Paused', 'Flapping', 'Stalled']) as type;
    insert into synthex.pauses (workspace, reason, actor, until) values ('anz-enterprise', 'the merchant migrates its catalogue', 'kim@ops-3', now() + interval '5 hours');
    insert into synthex.watch_sources (project, environment, source, observed, observed_at, good, good_at, applied, applied_at)
        values ('test', '', 'git https://git.example/shops.git main', '6b1f0c9d2e4a7b8c9d0e1f2a3b4c5d6e7f8091a2', now(), '6b1f0c9d2e4a7b8c9d0e1f2a3b4c5d6e7f8091a2', now(), '6b1f0c9d2e4a7b8c9d0e1f2a3b4c5d6e7f8091a2', now());
    insert into synthex.leases (name, token, holder, host, pid, acquired_at, heartbeat_at, expires_at)
        values ('watch:test', 1, '00000000-0000-7000-b000-000000000001', 'controller-1', 4711, now(), now(), now() + interval '1 day');
    insert into synthex.watch_replicas (id, project, environment, host, pid, version, mode, listen, is_leader, started_at, seen_at, tasks)
        values ('00000000-0000-7000-b000-000000000001', 'test', '', 'controller-1', 4711, '0.1.0', 'enforce', '127.0.0.1:9187', true, now() - interval '3 days', now(), '{}'),
            (gen_random_uuid(), 'test', '', 'controller-2', 4712, '0.1.0', 'enforce', '127.0.0.1:9187', false, now() - interval '2 days', now() - interval '2 seconds', '{}'),
            (gen_random_uuid(), 'test', '', 'controller-3', 4713, '0.1.0', 'enforce', null, false, now() - interval '2 days', now() - interval '6 minutes', '{}');";

const USAGE: &str = "
    insert into synthex.usage_metrics (id, recorded_at, workspace, actor, metric_type, metric_name, service, outcome, code, duration_ms, value)
        select gen_random_uuid(), now() - d * interval '1 day' - k * interval '7 minutes', 'us-smb', 'ci', 'command', (array['plan', 'apply', 'drift', 'health check'])[1 + k % 4], null,
            case when (d * 5 + k) % 19 = 0 then 'failed' else 'succeeded' end, '0', 40 + 13 * k, 1
        from generate_series(0, 27) as d, lateral generate_series(1, 4 + (d * 11) % 17) as k;
    insert into synthex.usage_metrics (id, recorded_at, workspace, actor, metric_type, metric_name, service, outcome, code, duration_ms, value)
        select gen_random_uuid(), now() - d * interval '9 hours', 'us-smb', 'ci', 'api_call', 'shop', 'shopify', 'succeeded', null, 210, 1 from generate_series(0, 40) as d;
    insert into synthex.usage_metrics (id, recorded_at, workspace, actor, metric_type, metric_name, service, outcome, code, duration_ms, value)
        select gen_random_uuid(), now() - d * interval '19 hours', 'us-smb', 'ci', 'error', 'apply', null, 'failed', (array['lease-held', 'database-unreachable'])[1 + d % 2], null, 1 from generate_series(0, 8) as d;";

/// What the tasks would have told.
pub fn tell(vitals: &Vitals) {
    let now = SystemClock.now();
    vitals.set_lease(Some(LeaseSeen { token: 42, expires_at: now + chrono::TimeDelta::seconds(15) }));
    vitals.set_drift(BTreeMap::from([("uk-smb".to_owned(), 9)]));
    vitals.reconcile_took(Duration::from_millis(180));
}

/// A task that says always the same.
struct Told(Ran);

impl Task for Told {
    fn run<'a>(&'a mut self, _: &'a Stop) -> LocalBoxFuture<'a, Ran> {
        Box::pin(std::future::ready(self.0.clone()))
    }
}

/// Each task has run once, and one of them failed.
pub fn run_tasks(board: &Board) {
    let entry = |code: TaskCode| {
        let ran = match code {
            TaskCode::Delivery => {
                let mut failure = TaskFailure::new("timeout", "2 channels do not answer");
                failure.why = Some("there was no answer within 10 s".to_owned());
                Ran::failed(failure)
            }
            _ => Ran::done(serde_json::json!({"done": code.code()})),
        };
        let interval = Duration::from_secs(60);
        Entry { code, interval, jitter: 0.0, quiet: Duration::ZERO, task: Box::new(Told(ran)) }
    };
    let (_stopper, stop) = Stopper::new();
    let work = once(TaskCode::ALL.into_iter().map(entry).collect(), board, &SystemClock, &stop);
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

pub const PAGES: [&str; 9] = [
    "/",
    "/alerts",
    "/inbox?only=all",
    "/health",
    "/credentials",
    "/tenants",
    "/operations",
    "/operations/1",
    "/usage",
];

/// Every page can be made. Where `SYNTHEX_TEST_SERVE` names a file, the address is written there, and the page is served until
/// the file is removed: `tests/browser/run` looks at it with a real browser.
#[test]
fn every_page_is_made_and_a_browser_may_look() {
    let estate = night("http_demo");
    let site = Site::new(&estate.database.url());
    site.is_well();
    tell(&site.vitals);
    run_tasks(&site.board);
    for page in PAGES {
        let answer = site.get(page).is(200).has("</html>");
        assert!(answer.header("content-type").starts_with("text/html"), "{page}: {answer:?}");
    }
    if let Some(file) = std::env::var_os("SYNTHEX_TEST_SERVE") {
        let file = Path::new(&file);
        std::fs::write(file, format!("http://{}/", site.host())).unwrap();
        while file.exists() {
            site.is_well();
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}
