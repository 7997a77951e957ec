//! What the pages show, and what people do on them.

use std::time::Duration;

use synthex::watch::TaskCode;

use crate::support::block_on;
use crate::support::estate::Estate;
use crate::support::pgbouncer::PgBouncer;

use super::demo::night;
use super::site::Site;

#[test]
fn an_alert_is_acknowledged_on_the_page() {
    let estate = night("http_acknowledge");
    let site = Site::new(&estate.database.url());
    let page = site.get("/alerts?workspace=us-smb").is(200).has("US_SMB_002").has("the merchant is called");
    let (cookie, csrf) = (page.cookie(), page.form_token());
    let id = "00000000-0000-7000-8000-000000000001";
    let fields = [
        ("csrf", csrf.as_str()),
        ("workspace", "us-smb"),
        ("id", id),
        ("comment", " I look "),
        ("back", "/alerts?workspace=us-smb"),
    ];
    let done = site.post("/alerts/acknowledge", &cookie, &fields).is(303);
    assert_eq!(done.header("location"), "/alerts?workspace=us-smb&done=acknowledged");
    site.get(done.header("location"))
        .is(200)
        .has("role=\"status\"")
        .has("Acknowledged: no reminders")
        .has("I look");
    let row = "select status || '|' || acknowledged_by || '|' || ack_comment from synthex.alerts where id = ";
    let row = estate.value(&format!("{row}'{id}'"));
    assert_eq!(row.as_deref(), Some("acknowledged|status page@controller-1|I look"));
    let again = site.post("/alerts/acknowledge", &cookie, &fields).is(303);
    assert!(again.header("location").ends_with("done=acknowledged-before"), "{again:?}");
    for (id, workspace, done) in [
        ("00000000-0000-7000-8000-000000000005", "us-smb", "not-acknowledged"),
        ("00000000-0000-7000-8000-0000000000ff", "us-smb", "no-alert"),
    ] {
        let fields =
            [("csrf", csrf.as_str()), ("workspace", workspace), ("id", id), ("back", "//evil.example")];
        let answer = site.post("/alerts/acknowledge", &cookie, &fields).is(303);
        assert_eq!(answer.header("location"), format!("/alerts?done={done}"));
    }
    site.post("/alerts/acknowledge", &cookie, &[("csrf", &csrf), ("workspace", "w"), ("id", "no id")])
        .is(400);
}

#[test]
fn a_delivery_is_tried_again_from_the_page() {
    let estate = night("http_retry");
    let site = Site::new(&estate.database.url());
    let page = site.get("/inbox").is(200).has("hooks.example answered 503").has_not("healthy again");
    site.get("/inbox?only=all").is(200).has("healthy again");
    let (cookie, csrf) = (page.cookie(), page.form_token());
    let id = "00000000-0000-7000-a000-000000000011";
    let done =
        site.post("/inbox/retry", &cookie, &[("csrf", &csrf), ("delivery", id), ("back", "/inbox")]).is(303);
    assert_eq!(done.header("location"), "/inbox?done=retried");
    // Whoever delivers is woken at once.
    let woken =
        async { tokio::time::timeout(Duration::from_secs(5), site.board.woken(TaskCode::Delivery)).await };
    assert!(block_on(woken).is_ok());
    site.get("/inbox?done=retried").is(200).has("It is tried again now");
    let row = "select state || '|' || retried_by from synthex.notification_deliveries where id = ";
    let row = estate.value(&format!("{row}'{id}'"));
    assert_eq!(row.as_deref(), Some("retrying|status page@controller-1"));
    let sent = "00000000-0000-7000-a000-000000000012";
    let done = site.post("/inbox/retry", &cookie, &[("csrf", &csrf), ("delivery", sent)]).is(303);
    assert_eq!(done.header("location"), "/inbox?done=not-retried");
}

#[test]
fn lists_are_searched_and_paged() {
    let estate = night("http_lists");
    let site = Site::new(&estate.database.url());
    let first =
        site.get("/tenants").is(200).has("1 to 50 of 144").has("rel=\"next\"").has_not("rel=\"prev\"");
    first.has("href=\"&#x2f;tenants?page=2\"");
    site.get("/tenants?page=3").is(200).has("101 to 144 of 144").has_not("rel=\"next\"");
    site.get("/tenants?workspace=uk-smb").is(200).has("1 to 35 of 35").has("edited by support_ro");
    site.get("/tenants?q=us_smb_00").is(200).has("1 to 9 of 9").has("1 firing").has("healthy");
    site.get("/tenants?q=Kiln%20%26").is(200).has("Kiln &amp; Clay");
    // What means something to LIKE means nothing here.
    site.get("/tenants?q=%25").is(200).has("No tenant fits");
    site.get("/tenants?q=_____").is(200).has("No tenant fits");
    site.get("/tenants?only=suspended").is(200).has("1 to 9 of 9");
    let soonest = site.get("/credentials").is(200).has("expired").has("4 failed in a row").has("not known");
    let place = |text: &str| soonest.body.find(text).unwrap_or_else(|| panic!("{text}"));
    assert!(place("us_smb_001-shopify") < place("us_smb_002-shopify"));
    assert!(place("us_smb_035-shopify") < place("<bdi>c2"), "what nobody knows comes last");
    let worst =
        site.get("/health").is(200).has("aria-label=\"the last 40: ").has("11 % of the disk are free");
    let place = |text: &str| worst.body.find(text).unwrap_or_else(|| panic!("{text}"));
    assert!(
        place("did not answer within 10 s") < place("answers slowly")
            && place("answers slowly") < place("the shop answers<")
    );
    site.get("/health?only=unhealthy").is(200).has("1 to 3 of 3");
}

#[test]
fn operations_are_shown_with_what_they_changed() {
    let estate = night("http_operations");
    let site = Site::new(&estate.database.url());
    site.get("/operations").is(200).has("href=\"/operations/2\"").has("14 create").has("1 update");
    site.get("/operations?before=2")
        .is(200)
        .has("href=\"/operations/1\"")
        .has_not("href=\"/operations/2\"")
        .has("Newest");
    site.get("/operations/2")
        .is(200)
        .has("tenant&#x2f;w&#x2f;T1")
        .has("<li>status: <del>")
        .has("active</del>")
        .has("suspended</ins>");
    site.get("/operations/1").is(200).has("credential&#x2f;w&#x2f;c1");
    site.get("/operations/99").is(404).has("There is no operation 99");
}

#[test]
fn the_overview_says_what_needs_somebody_first() {
    let estate = night("http_overview");
    let site = Site::new(&estate.database.url());
    let page = site.get("/").is(200);
    let page = page
        .has("This replica is not ready")
        .has("Not synced")
        .has("Flapping")
        .has("Paused by")
        .has("not heard of")
        .has("leader");
    let place = |text: &str| page.body.find(text).unwrap_or_else(|| panic!("{text}\n{}", page.body));
    assert!(place("<bdi>uk-smb") < place("<bdi>w<"), "what is not well comes first");
    site.is_well();
    super::demo::run_tasks(&site.board);
    let well = site.get("/").is(200).has_not("This replica is not ready");
    well.has("2 channels do not answer: there was no answer within 10 s").has_not("not yet");
    site.get("/usage").is(200).has("<svg class=\"days\"").has("lease-held").has("health check");
}

/// A pooler gives each transaction another connection.
#[test]
fn all_pages_work_behind_a_transaction_pooler() {
    let estate = night("http_pooler");
    let pooler = PgBouncer::with_pool_size(&estate.database, 2);
    let site = Site::new(&pooler.url(&estate.database));
    for _ in 0..2 {
        for page in super::demo::PAGES {
            site.get(page).is(200);
        }
    }
}

#[test]
fn empty_pages_say_what_to_do() {
    let estate = Estate::new("http_empty");
    estate.run(&["db", "migrate"]).ok();
    let site = Site::new(&estate.database.url());
    for (page, text) in [
        ("/", "No workspace is there yet"),
        ("/tenants", "Declare a Tenant"),
        ("/credentials", "Declare a Credential"),
        ("/health", "Nothing was looked at yet"),
        ("/alerts", "No alert fires"),
        ("/inbox", "Every notification got through"),
        ("/inbox?only=all", "Nothing was sent yet"),
        ("/operations", "Nothing is on record yet"),
        ("/usage", "Nothing was recorded yet"),
    ] {
        site.get(page).is(200).has(text);
    }
}
