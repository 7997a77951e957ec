//! A network that misbehaves: a loopback proxy in front of PostgreSQL, or of anything that speaks TCP.
//!
//! It passes bytes on unread, so it knows nothing of the protocol; a test finds the byte to cut at by counting those of a
//! run that went well ([`Proxy::client_bytes`]) and trying each.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::database::{OWNER, OWNER_PASSWORD, TestDatabase};
use super::{block_on, eventually};

/// How long a thread sleeps or reads before it looks whether the mode has changed.
const TICK: Duration = Duration::from_millis(5);

/// What becomes of connections. It can be changed at any time, and holds for those that are open too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything passes.
    Pass,
    /// Each connection is reset once it has sent exactly this many bytes, which still arrive; at 0, before the first.
    CutAfterClientBytes(u64),
    /// Each connection is reset once the server has sent it exactly this many bytes.
    CutAfterServerBytes(u64),
    /// Connections are accepted and nothing moves, either way. Changed back, what was held arrives, as after a lost route.
    Blackhole,
    /// Nothing listens ("connection refused"), and what is open is reset.
    Refuse,
}

/// The proxy. Dropped, it resets what is open and ends.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Proxy {
    /// A proxy on a loopback port that leads to `upstream`.
    pub fn new(upstream: SocketAddr, mode: Mode) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port");
        let address = listener.local_addr().expect("a bound port");
        let shared = Arc::new(Shared {
            upstream,
            mode: Mutex::new(mode),
            applied: Mutex::new(None),
            resets: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            client_bytes: AtomicU64::new(0),
            server_bytes: AtomicU64::new(0),
            spared: AtomicU64::new(0),
        });
        let acceptor = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || accept(&shared, address, listener))
        };
        let proxy = Proxy { address, shared, acceptor: Some(acceptor) };
        proxy.set(mode);
        proxy
    }

    /// A proxy that leads to the database's server.
    pub fn before(database: &TestDatabase, mode: Mode) -> Proxy {
        Proxy::new(database.tcp_address(), mode)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the database through this proxy, as its owner.
    pub fn url(&self, database: &TestDatabase) -> String {
        database.tcp_url_at(self.address, OWNER, OWNER_PASSWORD)
    }

    /// Changes what becomes of connections, those that are open included; it is in force when this returns.
    pub fn set(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap() = mode;
        let applied = || *self.shared.applied.lock().unwrap() == Some(mode);
        assert!(
            eventually(Duration::from_secs(10), applied),
            "the proxy cannot listen on {} again",
            self.address
        );
    }

    /// Resets all connections that are open; new ones are as the mode says.
    pub fn reset_all(&self) {
        self.shared.resets.fetch_add(1, SeqCst);
    }

    /// Lets the next `count` connections live, whatever the number of bytes: to reach one that is made after others.
    pub fn spare_next(&self, count: u64) {
        self.shared.spared.store(self.connections() + count, SeqCst);
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(SeqCst)
    }

    /// How many bytes went from clients to the server, over all connections.
    pub fn client_bytes(&self) -> u64 {
        self.shared.client_bytes.load(SeqCst)
    }

    /// How many bytes went from the server to clients, over all connections.
    pub fn server_bytes(&self) -> u64 {
        self.shared.server_bytes.load(SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        self.reset_all();
        if let Some(acceptor) = self.acceptor.take() {
            let _panicked = acceptor.join();
        }
    }
}

struct Shared {
    upstream: SocketAddr,
    mode: Mutex<Mode>,
    /// The mode that the accepting thread acts on.
    applied: Mutex<Option<Mode>>,
    /// A connection that began before the last reset is to end.
    resets: AtomicU64,
    stop: AtomicBool,
    connections: AtomicU64,
    client_bytes: AtomicU64,
    server_bytes: AtomicU64,
    /// Connections up to this one are not cut for their bytes.
    spared: AtomicU64,
}

impl Shared {
    fn mode(&self) -> Mode {
        *self.mode.lock().unwrap()
    }
}

fn accept(shared: &Arc<Shared>, address: SocketAddr, listener: TcpListener) {
    let mut listener = Some(listener);
    while !shared.stop.load(SeqCst) {
        let mode = shared.mode();
        if mode == Mode::Refuse {
            if listener.take().is_some() {
                shared.resets.fetch_add(1, SeqCst);
            }
        } else if listener.is_none() {
            listener = TcpListener::bind(address).ok();
        }
        if (mode == Mode::Refuse) == listener.is_none() {
            *shared.applied.lock().unwrap() = Some(mode);
        }
        let accepted = listener.as_ref().and_then(|listener| {
            listener.set_nonblocking(true).ok()?;
            listener.accept().ok()
        });
        match accepted {
            Some((client, _)) => {
                let number = shared.connections.fetch_add(1, SeqCst) + 1;
                let shared = Arc::clone(shared);
                let begun = shared.resets.load(SeqCst);
                std::thread::spawn(move || serve(&shared, client, begun, number));
            }
            None => std::thread::sleep(TICK),
        }
    }
}

/// One connection, with a thread for each way.
struct Pair {
    shared: Arc<Shared>,
    client: TcpStream,
    server: TcpStream,
    begun: u64,
    cut: AtomicBool,
    /// The how manieth connection this is, from 1.
    number: u64,
}

fn serve(shared: &Arc<Shared>, client: TcpStream, begun: u64, number: u64) {
    while shared.mode() == Mode::Blackhole && shared.resets.load(SeqCst) == begun {
        std::thread::sleep(TICK);
    }
    let server =
        if shared.resets.load(SeqCst) == begun { TcpStream::connect(shared.upstream).ok() } else { None };
    let Some(server) = server else {
        return reset_on_close(&client);
    };
    for stream in [&client, &server] {
        stream.set_nonblocking(false).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(TICK)).expect("a socket");
    }
    let pair =
        Pair { shared: Arc::clone(shared), client, server, begun, cut: AtomicBool::new(false), number };
    std::thread::scope(|scope| {
        scope.spawn(|| pair.pump(Way::ToServer));
        scope.spawn(|| pair.pump(Way::ToClient));
    });
    // Both ends are still open here; closing them now sends what `reset_on_close` chose.
    if pair.cut.load(SeqCst) {
        reset_on_close(&pair.client);
        reset_on_close(&pair.server);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ToServer,
    ToClient,
}

impl Pair {
    /// Whether this connection is to be reset. While the mode is [`Mode::Blackhole`] this does not return.
    fn is_cut(&self) -> bool {
        loop {
            if self.shared.resets.load(SeqCst) != self.begun {
                self.cut.store(true, SeqCst);
            }
            if self.cut.load(SeqCst) || self.shared.mode() != Mode::Blackhole {
                return self.cut.load(SeqCst);
            }
            std::thread::sleep(TICK);
        }
    }

    /// How many more bytes may go this way before the connection is cut.
    fn allowance(&self, way: Way, passed: u64) -> u64 {
        if self.number <= self.shared.spared.load(SeqCst) {
            return u64::MAX;
        }
        match (self.shared.mode(), way) {
            (Mode::CutAfterClientBytes(limit), Way::ToServer)
            | (Mode::CutAfterServerBytes(limit), Way::ToClient) => limit.saturating_sub(passed),
            _ => u64::MAX,
        }
    }

    fn pump(&self, way: Way) {
        let (mut from, mut to, total) = match way {
            Way::ToServer => (&self.client, &self.server, &self.shared.client_bytes),
            Way::ToClient => (&self.server, &self.client, &self.shared.server_bytes),
        };
        let mut passed = 0;
        let mut buffer = [0; 16_384];
        while !self.is_cut() {
            if self.allowance(way, passed) == 0 {
                self.cut.store(true, SeqCst);
                return;
            }
            let count = match from.read(&mut buffer) {
                Ok(0) => {
                    let _gone = to.shutdown(std::net::Shutdown::Write);
                    return;
                }
                Ok(count) => count,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
                Err(_) => {
                    // One end was reset, and so the other is to be.
                    self.cut.store(true, SeqCst);
                    return;
                }
            };
            // What was read before the line went silent waits with it.
            if self.is_cut() {
                return;
            }
            let allowed = usize::try_from(self.allowance(way, passed)).unwrap_or(usize::MAX);
            let part = &buffer[..count.min(allowed)];
            if to.write_all(part).is_err() {
                self.cut.store(true, SeqCst);
                return;
            }
            passed += part.len() as u64;
            total.fetch_add(part.len() as u64, SeqCst);
        }
    }
}

/// Makes the close of this socket a reset ("connection reset by peer") instead of an orderly end.
fn reset_on_close(stream: &TcpStream) {
    // The standard library cannot set it yet (`set_linger` is unstable); the copy shares the socket.
    let set = |copy: TcpStream| {
        copy.set_nonblocking(true)?;
        block_on(async { tokio::net::TcpStream::from_std(copy)?.set_zero_linger() })
    };
    let _gone = stream.try_clone().and_then(set);
}
