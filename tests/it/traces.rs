//! Traces of the controller's tasks, as a collector gets them. Compiled with the feature `otel` alone:
//! `cargo nextest run --features otel -E 'test(/traces/)'`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use serde_json::Value;
use synthex::cli::logging::traces;
use synthex::model::clock::SystemClock;
use synthex::watch::{Board, Entry, Ran, Stop, Stopper, Task, TaskCode, TaskFailure, once};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry;

use super::support::cli::Synthex;

/// What was posted.
struct Posted {
    head: String,
    body: Vec<u8>,
}

/// A collector on loopback, and its address.
fn collector() -> (String, Receiver<Posted>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let posted = take(stream.unwrap());
            if sender.send(posted).is_err() {
                return;
            }
        }
    });
    (address, receiver)
}

fn take(stream: TcpStream) -> Posted {
    let mut reader = BufReader::new(&stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "the request ended in its head: {head}");
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    (&stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    Posted { head, body }
}

/// The parts of a protobuf message that are messages or texts themselves: their numbers and bytes.
fn parts(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    fn number(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                break;
            }
        }
        value
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = number(&mut bytes);
        let length = match tag & 7 {
            0 => {
                number(&mut bytes);
                continue;
            }
            1 => 8,
            2 => usize::try_from(number(&mut bytes)).unwrap(),
            5 => 4,
            other => panic!("{other} is no wire type that traces use"),
        };
        let (part, rest) = bytes.split_at(length);
        bytes = rest;
        if tag & 7 == 2 {
            found.push((tag >> 3, part));
        }
    }
    found
}

fn part(bytes: &[u8], wanted: u64) -> Vec<&[u8]> {
    parts(bytes).into_iter().filter(|(number, _)| *number == wanted).map(|(_, part)| part).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Attributes with a text, as `key=value`.
fn attributes(bytes: &[u8], number: u64) -> Vec<String> {
    let all = part(bytes, number).into_iter().filter_map(|pair| {
        let (key, value) = (part(pair, 1), part(pair, 2));
        let value = part(value.first()?, 1);
        Some(format!("{}={}", text(key.first()?), text(value.first()?)))
    });
    all.collect()
}

/// What a collector reads of a span.
#[derive(Debug)]
struct Span {
    name: String,
    attributes: Vec<String>,
    is_error: bool,
}

impl Span {
    fn has(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|own| own == attribute)
    }
}

/// What a collector reads of a batch: attributes of the resource, and the spans.
fn read(body: &[u8]) -> (Vec<String>, Vec<Span>) {
    let resource_spans = part(body, 1)[0];
    let resource = attributes(part(resource_spans, 1)[0], 1);
    let mut spans = Vec::new();
    for scope in part(resource_spans, 2) {
        for span in part(scope, 2) {
            // A status with the code 2, as its field 3.
            let is_error = part(span, 15).contains(&[0x18, 0x02].as_slice());
            spans.push(Span { name: text(part(span, 5)[0]), attributes: attributes(span, 9), is_error });
        }
    }
    (resource, spans)
}

struct Done(Option<TaskFailure>);

impl Task for Done {
    fn run<'a>(&'a mut self, _: &'a Stop) -> LocalBoxFuture<'a, Ran> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.0.clone().map_or_else(|| Ran::done(Value::Null), Ran::failed)
        })
    }
}

fn entries() -> Vec<Entry<'static>> {
    let entry = |code, failure| Entry {
        code,
        interval: Duration::from_secs(60),
        jitter: 0.0,
        quiet: Duration::ZERO,
        task: Box::new(Done(failure)),
    };
    let failure = TaskFailure::new("unreachable", "the database is away");
    vec![entry(TaskCode::Reconcile, None), entry(TaskCode::Health, Some(failure))]
}

fn run_once() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let entries = entries();
    let board = Board::new(entries.iter().map(|entry| (entry.code, entry.interval)));
    let (_stopper, stop) = Stopper::new();
    runtime.block_on(once(entries, &board, &SystemClock, &stop));
}

#[test]
fn traces_of_tasks_reach_a_collector_when_the_program_ends() {
    let (address, posted) = collector();
    let (layer, sender) = traces::layer(&traces::address(&address).unwrap()).unwrap();
    tracing::subscriber::with_default(registry().with(layer), run_once);
    sender.finish();
    let posted = posted.recv_timeout(Duration::from_secs(20)).expect("nothing was posted");
    assert!(posted.head.starts_with("post /v1/traces http/1.1"), "{}", posted.head);
    assert!(posted.head.contains("content-type: application/x-protobuf"), "{}", posted.head);
    let (resource, spans) = read(&posted.body);
    assert!(resource.contains(&"service.name=synthex".to_owned()), "{resource:?}");
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["task", "task"], "{spans:?}");
    let of = |task: &str| spans.iter().find(|span| span.has(&format!("task={task}"))).unwrap();
    let (reconcile, health) = (of("reconcile"), of("health"));
    assert!(health.has("failure=unreachable") && health.is_error, "{health:?}");
    assert!(reconcile.has("cause=start") && !reconcile.is_error, "{reconcile:?}");
}

#[test]
fn traces_that_nobody_takes_keep_no_task_and_no_end_waiting() {
    // It is listened there, and never answered.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let (layer, sender) = traces::layer(&traces::address(&address).unwrap()).unwrap();
    let subscriber = registry().with(layer);
    // More than the queue takes.
    tracing::subscriber::with_default(subscriber, || (0..3_000).for_each(|_| run_once()));
    sender.finish();
}

#[test]
fn traces_need_an_address_that_is_one_and_only_watch_needs_it() {
    let folder = tempfile::tempdir().unwrap();
    let synthex = |args: &[&str]| Synthex::new(folder.path()).args(args);
    let run = synthex(&["watch", "--once", "--otlp-endpoint", "collector:4317"]).run().code(3);
    run.stderr_has("--otlp-endpoint is not the address of a collector");
    synthex(&["explain"]).env("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317").run().ok();
}
