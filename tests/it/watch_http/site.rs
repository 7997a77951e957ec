//! Endpoints that are served for a test, and a client that says exactly what it is told to.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use synthex::cli::watching::desk::PageDesk;
use synthex::engine::watching::Realm;
use synthex::model::clock::{Clock, SystemClock};
use synthex::model::secret::Redacted;
use synthex::store::ConnectOptions;
use synthex::watch::http::{About, Endpoints, Role, ServeError, Settings, Vitals, spawn};
use synthex::watch::{Board, Stopper, TaskCode};

/// The token where one is needed.
pub const TOKEN: &str = "canary-5e2a-listen-token";

/// Endpoints that are being served.
pub struct Site {
    pub address: SocketAddr,
    pub vitals: Arc<Vitals>,
    pub board: Arc<Board>,
    stopper: Stopper,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    #[track_caller]
    pub fn is(self, status: u16) -> Answer {
        assert!(self.status == status, "{status} expected: {self:#?}");
        self
    }

    #[track_caller]
    pub fn has(self, text: &str) -> Answer {
        assert!(self.body.contains(text), "{text:?} is not in it:\n{}", self.body);
        self
    }

    #[track_caller]
    pub fn has_not(self, text: &str) -> Answer {
        assert!(!self.body.contains(text), "{text:?} is in it:\n{}", self.body);
        self
    }

    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// The value of the session's cookie, as a browser gives it back.
    #[track_caller]
    pub fn cookie(&self) -> String {
        let line = self.header("set-cookie");
        line.split(';').next().filter(|pair| pair.contains('=')).expect("a cookie").to_owned()
    }

    /// What the forms of the page carry.
    #[track_caller]
    pub fn form_token(&self) -> String {
        let start = self.body.find("name=\"csrf\" value=\"").expect("a form") + 19;
        self.body[start..].split('"').next().unwrap().to_owned()
    }
}

/// What a project on a database is to its controller.
pub fn vitals() -> Arc<Vitals> {
    Arc::new(Vitals::new(About {
        replica: uuid::Uuid::from_u128(7),
        host: "controller-1".to_owned(),
        version: "0.1.0",
        project: "test".to_owned(),
        environment: String::new(),
        mode: "enforce",
        interval: Duration::from_secs(60),
        started_at: SystemClock.now(),
    }))
}

impl Site {
    /// On loopback, over the database at this URL.
    pub fn new(url: &str) -> Site {
        Site::with(url, IpAddr::V4(Ipv4Addr::LOCALHOST), Settings::default())
    }

    pub fn with(url: &str, ip: IpAddr, settings: Settings) -> Site {
        // Where a page cannot be made, the log says why.
        let _ = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_test_writer().try_init();
        let (vitals, clock) = (vitals(), Arc::new(SystemClock));
        let board = Arc::new(Board::new(TaskCode::ALL.map(|code| (code, Duration::from_secs(60)))));
        let options = ConnectOptions::new(url.to_owned(), Duration::from_secs(20), "watch");
        let realm = Realm { project: "test".to_owned(), environment: String::new() };
        let desk = PageDesk::open(&options, realm, "controller-1", clock).unwrap();
        let (stopper, stop) = Stopper::new();
        let endpoints = Endpoints::new(
            Arc::clone(&vitals),
            Arc::clone(&board),
            Arc::new(desk),
            Box::new(SystemClock),
            settings,
        );
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), listener.local_addr().unwrap().port());
        let thread = spawn(listener, Arc::new(endpoints.unwrap()), stop).unwrap();
        Site { address, vitals, board, stopper, thread: Some(thread) }
    }

    /// Where everybody can connect, so that a token is needed.
    pub fn guarded(url: &str) -> Site {
        let settings = Settings { token: Some(Redacted::new(TOKEN.to_owned())), ..Settings::default() };
        Site::with(url, IpAddr::V4(Ipv4Addr::UNSPECIFIED), settings)
    }

    /// It leads, the database answers, and a cycle is complete.
    pub fn is_well(&self) {
        let now = SystemClock.now();
        self.vitals.beat();
        self.vitals.set_role(Role::Leader);
        self.vitals.database_answered(now);
        self.vitals.cycle_done(now);
    }

    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.address.port())
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "")
    }

    /// A form as a browser sends it from one of our own pages.
    #[track_caller]
    pub fn post(&self, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
        let origin = format!("http://{}", self.host());
        let headers = [("Origin", origin.as_str()), ("Sec-Fetch-Site", "same-origin"), ("Cookie", cookie)];
        self.form(path, &headers, fields)
    }

    #[track_caller]
    pub fn form(&self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let kind = ("Content-Type", "application/x-www-form-urlencoded");
        self.ask("POST", path, &[&[kind], headers].concat(), &body)
    }

    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut text =
            format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| *name == "Host") {
            text.push_str(&format!("Host: {}\r\n", self.host()));
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream = self.connect();
        stream.write_all(format!("{text}\r\n{body}").as_bytes()).expect("the request can be sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        read(&String::from_utf8(answer).expect("text"))
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }
}

#[track_caller]
fn read(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|word| word.parse().ok());
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: Vec<(String, String)> = headers.collect();
    let is_chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    assert!(!is_chunked, "pages are made whole");
    Answer { status: status.expect("a status"), headers, body: body.to_owned() }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(std::thread::panicking() || matches!(ended, Ok(Ok(()))), "{ended:?}");
        }
    }
}
