//! Who may come in, what is escaped, and what cannot be exhausted.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use synthex::cli::watching::desk::PageDesk;
use synthex::engine::watching::Realm;
use synthex::model::clock::SystemClock;
use synthex::model::secret::Redacted;
use synthex::store::ConnectOptions;
use synthex::watch::http::{Endpoints, ServeError, Settings, serve};
use synthex::watch::{Board, Stopper};

use crate::support::estate::Estate;

use super::demo::{NASTY, PAGES, night};
use super::site::{Site, TOKEN, vitals};

const NOWHERE: &str = "postgres://nobody@127.0.0.1:9/none";

fn endpoints(settings: Settings) -> Result<Endpoints, ServeError> {
    let options = ConnectOptions::new(NOWHERE.to_owned(), Duration::from_secs(1), "watch");
    let realm = Realm { project: "test".to_owned(), environment: String::new() };
    let desk = PageDesk::open(&options, realm, "here", Arc::new(SystemClock)).unwrap();
    Endpoints::new(vitals(), Arc::new(Board::new([])), Arc::new(desk), Box::new(SystemClock), settings)
}

#[test]
fn another_address_than_loopback_needs_a_token() {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let (_stopper, stop) = Stopper::new();
    let refused = serve(listener, Arc::new(endpoints(Settings::default()).unwrap()), stop);
    assert!(matches!(refused, Err(ServeError::NeedsToken(_))), "{refused:?}");
    let short = Settings { token: Some(Redacted::new("guess".to_owned())), ..Settings::default() };
    assert!(matches!(endpoints(short), Err(ServeError::ShortToken)));
}

#[test]
fn only_who_has_the_token_is_let_in() {
    let estate = Estate::applied("http_token");
    let site = Site::guarded(&estate.database.url());
    for path in ["/livez", "/healthz", "/favicon.svg", "/login"] {
        site.get(path).is(200);
    }
    site.get("/readyz").is(503);
    let wrong = format!("Bearer {TOKEN}x");
    for path in ["/metrics", "/status"] {
        let answer = site.get(path).is(401);
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{answer:?}");
        site.ask("GET", path, &[("Authorization", &wrong)], "").is(401);
        site.ask("GET", path, &[("Authorization", &format!("Bearer {TOKEN}"))], "").is(200);
    }
    for path in PAGES {
        let answer = site.get(path).is(303);
        assert!(answer.header("location").starts_with("/login?next=%2F"), "{path}: {answer:?}");
    }
    site.post("/alerts/acknowledge", "", &[]).is(401);
}

#[test]
fn the_login_gives_a_session_that_is_not_the_token() {
    let estate = Estate::applied("http_login");
    let site = Site::guarded(&estate.database.url());
    let page = site.get("/login?next=/tenants").is(200);
    let (cookie, csrf) = (page.cookie(), page.form_token());
    let fields = |token: &'static str| {
        [("csrf", csrf.clone()), ("token", token.to_owned()), ("next", "/tenants".to_owned())]
    };
    let log_in = |token: &'static str| {
        let fields = fields(token);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        site.post("/login", &cookie, &fields)
    };
    log_in("canary-5e2a-listen-tokem").is(403).has("That is not the token");
    let welcome = log_in(TOKEN).is(303);
    assert_eq!(welcome.header("location"), "/tenants");
    let line = welcome.header("set-cookie").to_owned();
    assert!(
        line.contains("HttpOnly") && line.contains("SameSite=Strict") && line.contains("Path=/"),
        "{line}"
    );
    assert!(!line.contains(TOKEN) && !line.contains(&hex::encode(TOKEN)), "{line}");
    let session = welcome.cookie();
    let inside = site.ask("GET", "/tenants", &[("Cookie", &session)], "").is(200).has("T1").has("Log out");
    site.ask("GET", "/status", &[("Cookie", &session)], "").is(200).has_not(TOKEN);
    // The session from before the login stays outside.
    site.ask("GET", "/tenants", &[("Cookie", &cookie)], "").is(303);
    let out = site.post("/logout", &session, &[("csrf", &inside.form_token())]).is(303);
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{out:?}");
}

#[test]
fn other_names_for_loopback_are_not_answered() {
    let settings = Settings { hosts: vec!["status.example".to_owned()], ..Settings::default() };
    let site = Site::with(NOWHERE, IpAddr::V4(Ipv4Addr::LOCALHOST), settings);
    for host in ["localhost", "LOCALHOST:80", "127.0.0.1:1", "[::1]:9", "status.example"] {
        site.ask("GET", "/livez", &[("Host", host)], "").is(200);
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "10.0.0.1"] {
        site.ask("GET", "/status", &[("Host", host)], "").is(421);
        site.ask("GET", "/", &[("Host", host)], "").is(421);
    }
}

#[test]
fn a_form_that_is_not_ours_changes_nothing() {
    let estate = night("http_csrf");
    let site = Site::new(&estate.database.url());
    let page = site.get("/alerts").is(200);
    let (cookie, csrf) = (page.cookie(), page.form_token());
    let own = format!("http://{}", site.host());
    let fields = |csrf: &str| {
        [("csrf", csrf), ("workspace", "us-smb"), ("id", "00000000-0000-7000-8000-000000000001")]
            .map(|(name, value)| (name, value.to_owned()))
    };
    let send = |headers: &[(&str, &str)], csrf: &str| {
        let fields = fields(csrf);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        site.form("/alerts/acknowledge", headers, &fields)
    };
    let other = site.get("/alerts").is(200);
    // Without a cookie, with that of another session, without the proof, with a wrong one.
    send(&[("Origin", &own)], &csrf).is(403);
    send(&[("Origin", &own), ("Cookie", &other.cookie())], &csrf).is(403);
    send(&[("Origin", &own), ("Cookie", &cookie)], "").is(403);
    send(&[("Origin", &own), ("Cookie", &cookie)], &"0".repeat(64)).is(403);
    // From elsewhere, or from nowhere.
    for headers in [
        [("Origin", "http://evil.example"), ("Sec-Fetch-Site", "")],
        [("Origin", "null"), ("Sec-Fetch-Site", "")],
        [("Origin", ""), ("Sec-Fetch-Site", "cross-site")],
        [("Origin", own.as_str()), ("Sec-Fetch-Site", "same-site")],
        [("Origin", ""), ("Sec-Fetch-Site", "")],
    ] {
        send(&[&headers[..], &[("Cookie", &cookie)]].concat(), &csrf).is(403);
    }
    let firing =
        || estate.database.query_one_i64("select count(*) from synthex.alerts where status = 'firing'");
    assert_eq!(firing(), 3);
    send(&[("Origin", &own), ("Cookie", &cookie)], &csrf).is(303);
    assert_eq!(firing(), 2);
}

#[test]
fn what_the_database_says_is_escaped() {
    let estate = night("http_escaped");
    let site = Site::new(&estate.database.url());
    let shown = "&lt;script&gt;alert(&quot;x&quot;)&lt;&#x2f;script&gt; &amp; &#x27;שלום&#x27;";
    site.get("/tenants?q=A_NASTY").is(200).has(&format!("<bdi>{shown}")).has_not("<script");
    let nasty = NASTY.replace('\'', "''");
    estate.database.sql(&format!(
        "update synthex.alerts set title = '{nasty}', message = '{nasty}', tenant = '{nasty}', rule = '{nasty}' where status = 'firing'"
    ));
    site.get("/alerts").is(200).has(shown).has_not("<script");
    let query: String =
        url::form_urlencoded::byte_serialize("\"><script>alert(1)</script>".as_bytes()).collect();
    for path in ["/tenants", "/credentials", "/health", "/alerts", "/inbox", "/nowhere", "/usage"] {
        let answer = site
            .get(&format!("{path}?q={query}&workspace={query}&only={query}&refresh={query}&done={query}"));
        answer.has("</html>").has_not("<script");
    }
    // What could turn a line around is made visible.
    estate.database.sql("update synthex.tenants set display_name = U&'a\\202Eb' where name = 'A_NASTY'");
    site.get("/tenants?q=A_NASTY").is(200).has("a\\u{202e}b").has_not("\u{202e}");
}

#[test]
fn every_answer_carries_what_browsers_must_know() {
    let estate = night("http_headers");
    let site = Site::new(&estate.database.url());
    for path in
        PAGES.into_iter().chain(["/livez", "/metrics", "/status", "/nowhere", "/login", "/favicon.svg"])
    {
        let answer = site.get(path);
        let policy = answer.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "style-src 'sha256-",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert!(!answer.body.contains("style=") && !answer.body.contains("<script"), "{path}");
    }
}

/// More connections than there are places, all of them open and silent, or slow.
#[test]
fn slow_clients_do_not_keep_others_out() {
    let site = Site::new(NOWHERE);
    let slow: Vec<_> = (0..150)
        .map(|number| {
            let mut stream = site.connect();
            let _ = stream.write_all(if number % 2 == 0 { b"G" } else { b"POST /login HTTP/1.1\r\nHo" });
            stream
        })
        .collect();
    for _ in 0..5 {
        site.get("/livez").is(200);
    }
    // The oldest were sent away: a read ends at once.
    let mut oldest = &slow[0];
    assert!(matches!(oldest.read(&mut [0; 100]), Ok(0) | Err(_)));
}

#[test]
fn what_is_too_long_is_refused() {
    let site = Site::new(NOWHERE);
    let page = site.get("/login").is(303);
    assert_eq!(page.header("location"), "/", "nobody needs to log in here");
    let long = "x".repeat(20_000);
    let mut stream = site.connect();
    let _ = stream.write_all(format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
    let mut said = String::new();
    let _ = stream.read_to_string(&mut said);
    assert!(said.starts_with("HTTP/1.1 4"), "{said}");
    let cookie = site.get("/nowhere").is(404).cookie();
    site.post("/inbox/retry", &cookie, &[("csrf", &long)]).is(413);
    site.get(&format!("/tenants?q={}", "x".repeat(300))).is(400).has("at most 200 characters");
    site.get("/tenants?q=%00").is(400);
    site.get("/tenants?page=0").is(400);
    site.get("/tenants?page=many").is(400);
    site.get("/operations/first").is(400);
    site.ask("POST", "/livez", &[("Sec-Fetch-Site", "same-origin")], "").is(405);
    site.ask("DELETE", "/tenants", &[("Sec-Fetch-Site", "same-origin")], "")
        .is(405)
        .has("does not take such a request");
}
