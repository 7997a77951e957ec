//! A controller that is looked at from outside: through its endpoints, and by a superuser, whom no limit of connections and no
//! full disk of the role's own keeps out.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::cli::{Running, Synthex};
use crate::support::estate::Estate;
use crate::support::eventually;

/// How long anything may take before a test gives up. Nothing here is a measurement.
pub const LIMIT: Duration = Duration::from_secs(45);

/// What an endpoint answers, head and body; empty where nothing answers within two seconds.
pub fn get(address: &str, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(address) else { return String::new() };
    let _set = stream.set_read_timeout(Some(Duration::from_secs(2)));
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    if stream.write_all(request.as_bytes()).is_ok() {
        let _ended = stream.read_to_end(&mut answer);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The first line of what an endpoint answers.
pub fn status(address: &str, path: &str) -> String {
    get(address, path).lines().next().unwrap_or_default().to_owned()
}

/// One value of a query, for the superuser; `None` where the table is not there yet, or has no such row.
pub fn value(estate: &Estate, sql: &str) -> Option<String> {
    let rows = estate.database.try_sql_as("admin", sql).ok()?;
    rows.into_iter().next()?.into_iter().next()?
}

/// A controller of an estate, with these arguments besides.
pub fn watch(estate: &Estate, url: &str, args: &[&str]) -> Synthex {
    let all: Vec<&str> = ["watch", "--interval", "5s"].iter().chain(args).copied().collect();
    estate.synthex_at(url, &all).limit(Duration::from_secs(900))
}

/// A controller that serves its endpoints.
pub struct Watched<'e> {
    pub estate: &'e Estate,
    pub running: Running,
    pub address: String,
    /// Probes that were not answered although they must be at any time.
    pub silent: u32,
}

impl<'e> Watched<'e> {
    /// Starts it, and waits until it is ready.
    #[track_caller]
    pub fn start(estate: &'e Estate, controller: Synthex) -> Watched<'e> {
        let listen = "select listen from synthex.watch_replicas order by started_at desc limit 1";
        let before = value(estate, listen);
        let running = controller.args(["--listen", "127.0.0.1:0"]).spawn();
        let is_there = || value(estate, listen).is_some_and(|address| Some(&address) != before.as_ref());
        assert!(eventually(LIMIT, is_there), "it does not begin: {}", running.wait());
        let address = value(estate, listen).expect("an address");
        let own = Watched { estate, running, address, silent: 0 };
        own.comes_true("that it is ready", || own.is_ready());
        own
    }

    pub fn is_ready(&self) -> bool {
        status(&self.address, "/readyz").contains(" 200 ")
    }

    /// Waits for something; says how long it took.
    #[track_caller]
    pub fn comes_true(&self, what: &str, condition: impl FnMut() -> bool) -> Duration {
        let begun = Instant::now();
        let came = eventually(LIMIT, condition);
        let (ready, status) = (get(&self.address, "/readyz"), get(&self.address, "/status"));
        assert!(came, "waited in vain for {what}\n{ready}\n{status}");
        begun.elapsed()
    }

    /// Probes and metrics until it is not ready, and says with what and after how long.
    #[track_caller]
    pub fn becomes_unready(&mut self) -> (String, Duration) {
        let begun = Instant::now();
        loop {
            self.probe();
            let answer = get(&self.address, "/readyz");
            if answer.starts_with("HTTP/1.1 503") {
                return (answer, begun.elapsed());
            }
            assert!(begun.elapsed() < LIMIT, "it stays ready\n{}", get(&self.address, "/status"));
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    /// Asks what must answer whatever happens.
    pub fn probe(&mut self) {
        for path in ["/livez", "/metrics", "/status"] {
            self.silent += u32::from(!status(&self.address, path).contains(" 200 "));
        }
    }

    /// A tenant is changed by hand, and is set back.
    #[track_caller]
    pub fn corrects(&self, tenant: &str) -> Duration {
        let by_hand = format!("update synthex.tenants set display_name = 'By hand' where name = '{tenant}'");
        self.estate.database.admin_sql(&by_hand);
        let name = format!("select display_name from synthex.tenants where name = '{tenant}'");
        self.comes_true("the correction", || value(self.estate, &name).as_deref() == Some(tenant))
    }

    /// Ends it as a supervisor does. It has answered all along, and came to no stop in a defect.
    #[track_caller]
    pub fn ends(self) -> crate::support::cli::Outcome {
        assert_eq!(self.silent, 0, "probes and metrics answer all along");
        self.running.terminate();
        self.running.wait().code(143).nowhere("panicked").nowhere("came to a stop").nowhere("canary")
    }
}

/// A time for people.
pub fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
