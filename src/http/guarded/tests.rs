//! Where calls go, and where not one connection is made.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::NoMeter;
use super::*;

/// Answers of a resolver, one for each time it is asked; the last one stays.
struct Script(Mutex<VecDeque<Option<Vec<&'static str>>>>, AtomicUsize);

impl Script {
    fn new(answers: &[Option<&[&'static str]>]) -> Arc<Self> {
        let answers = answers.iter().map(|answer| answer.map(<[&str]>::to_vec)).collect();
        Arc::new(Self(Mutex::new(answers), AtomicUsize::new(0)))
    }
}

impl Resolver for Script {
    fn resolve(&self, _: &str) -> Resolution {
        self.1.fetch_add(1, Ordering::Relaxed);
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() };
        Box::pin(async move {
            let answer = answer.ok_or_else(|| std::io::Error::other("the name server is gone"))?;
            Ok(answer.iter().map(|text| text.parse().unwrap()).collect())
        })
    }
}

/// A server that counts who connects, and answers 200.
struct Listener {
    port: u16,
    seen: Arc<AtomicUsize>,
}

fn listen() -> Listener {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        }
    });
    Listener { port, seen }
}

fn call(url: &str, cidrs: &[&str], port: u16) -> GuardedCall {
    let cidrs: Vec<String> = cidrs.iter().map(|&cidr| cidr.to_owned()).collect();
    GuardedCall {
        service: "test",
        url: Redacted::new(Url::parse(url).unwrap()),
        rules: Rules::read(&cidrs, &[i64::from(port)], true).unwrap(),
        certificates: None,
        timeout: Duration::from_secs(2),
        headers: Vec::new(),
        body: Redacted::new(b"{}".to_vec()),
    }
}

fn guard(resolver: Arc<Script>) -> Guard {
    Guard::new(resolver, Arc::new(NoMeter))
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_refused_before_anything_connects() {
    let server = listen();
    for answer in [
        &["127.0.0.1"][..],
        &["8.8.8.8", "127.0.0.1"],
        &["127.0.0.1", "8.8.8.8"],
        &["::ffff:127.0.0.1"],
        &["::1"],
        &["169.254.169.254"],
        &["10.0.0.1"],
        &["64:ff9b::7f00:1"],
    ] {
        let guard = guard(Script::new(&[Some(answer)]));
        let error =
            guard.post(&call(&format!("http://hook.example:{}/", server.port), &[], server.port)).await;
        let error = error.unwrap_err();
        assert_eq!(error.code, "refused-address", "{answer:?}: {error}");
        assert!(error.is_unsent);
    }
    assert_eq!(server.seen.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_is_opened_is_called() {
    let server = listen();
    let guard = guard(Script::new(&[Some(&["127.0.0.1"])]));
    let call = call(&format!("http://hook.example:{}/", server.port), &["127.0.0.0/8"], server.port);
    let answer = guard.post(&call).await.unwrap();
    assert_eq!((answer.status, answer.text().as_str(), answer.is_whole), (200, "ok", true));
    assert_eq!(server.seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_judged_each_time() {
    let server = listen();
    let script = Script::new(&[Some(&["127.0.0.1"]), Some(&["127.0.0.2"]), Some(&["127.0.0.1"])]);
    let guard = guard(Arc::clone(&script));
    // Only the one address is open; the server closes each connection, so each call looks up again.
    let call = call(&format!("http://hook.example:{}/", server.port), &["127.0.0.1/32"], server.port);
    assert!(guard.post(&call).await.is_ok());
    assert_eq!(guard.post(&call).await.unwrap_err().code, "refused-address");
    assert!(guard.post(&call).await.is_ok());
    assert_eq!((server.seen.load(Ordering::SeqCst), script.1.load(Ordering::Relaxed)), (2, 3));
}

#[tokio::test]
async fn a_resolver_that_fails_or_finds_nothing_refuses() {
    let server = listen();
    for answer in [None, Some(&[][..])] {
        let guard = guard(Script::new(&[answer]));
        let url = format!("http://hook.example:{}/", server.port);
        let error = guard.post(&call(&url, &["127.0.0.0/8"], server.port)).await.unwrap_err();
        assert_eq!(error.code, "unresolved", "{error}");
        assert!(error.is_transient() && error.is_unsent);
        let host = Host::Domain("mail.example".to_owned());
        assert_eq!(guard.resolve(&host, &Rules::default()).await.unwrap_err().code, "unresolved");
    }
    assert_eq!(server.seen.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn literals_are_judged_though_nobody_looks_them_up() {
    let server = listen();
    let script = Script::new(&[Some(&["8.8.8.8"])]);
    let guard = guard(Arc::clone(&script));
    for host in
        ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0", "localhost"]
    {
        let url = format!("http://{host}:{}/", server.port);
        let error = guard.post(&call(&url, &[], server.port)).await.unwrap_err();
        assert_eq!(error.code, "refused-address", "{host}");
    }
    for host in ["127.0.0.1", "::1", "169.254.169.254"] {
        let host = host.parse::<IpAddr>().map(|ip| match ip {
            IpAddr::V4(ip) => Host::Ipv4(ip),
            IpAddr::V6(ip) => Host::Ipv6(ip),
        });
        let error = guard.resolve(&host.unwrap(), &Rules::default()).await.unwrap_err();
        assert_eq!(error.code, "refused-address");
    }
    assert_eq!((server.seen.load(Ordering::SeqCst), script.1.load(Ordering::Relaxed)), (0, 0));
}

#[tokio::test]
async fn only_the_start_of_an_endless_answer_is_read() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n");
        while stream.write_all(&[b'x'; 65536]).is_ok() {}
    });
    let guard = guard(Script::new(&[Some(&["127.0.0.1"])]));
    let start = Instant::now();
    let answer =
        guard.post(&call(&format!("http://a.example:{port}/"), &["127.0.0.0/8"], port)).await.unwrap();
    assert_eq!((answer.body.expose().len(), answer.is_whole), (MOST_ANSWER, false));
    assert!(start.elapsed() < Duration::from_secs(2));
}
