//! Counts the statements that go to PostgreSQL, by reading what a client sends, and shows that a round in which there is nothing
//! to do costs one.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::{Hands, Replica, Tasks};
use crate::support::database::{OWNER, OWNER_PASSWORD, TestDatabase};
use crate::support::estate::Estate;

/// A proxy that counts statements.
pub(super) struct Counter {
    address: SocketAddr,
    count: Arc<AtomicU64>,
    said: Arc<Mutex<Vec<String>>>,
}

impl Counter {
    pub(super) fn new(upstream: SocketAddr) -> Counter {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (count, said) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (counted, heard) = (Arc::clone(&count), Arc::clone(&said));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(upstream).unwrap();
                server.set_nodelay(true).unwrap();
                client.set_nodelay(true).unwrap();
                let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                });
                let (counted, heard) = (Arc::clone(&counted), Arc::clone(&heard));
                std::thread::spawn(move || {
                    let mut last = server.try_clone().unwrap();
                    let _ = pass(client, server, &counted, &heard);
                    let _ = last.flush();
                    let _ = last.shutdown(Shutdown::Both);
                });
            }
        });
        Counter { address, count, said }
    }

    pub(super) fn url(&self, database: &TestDatabase) -> String {
        format!("{}?sslmode=disable", database.tcp_url_at(self.address, OWNER, OWNER_PASSWORD))
    }

    /// How many statements there were since the last time, and what they were.
    pub(super) fn take(&self) -> (u64, Vec<String>) {
        (self.count.swap(0, Ordering::SeqCst), std::mem::take(&mut self.said.lock().unwrap()))
    }
}

/// Passes on what a client sends, message by message: the first has no type.
fn pass(
    mut client: TcpStream,
    mut server: TcpStream,
    count: &AtomicU64,
    said: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut is_first = true;
    loop {
        let mut kind = [0_u8; 1];
        if !is_first {
            client.read_exact(&mut kind)?;
        }
        let mut length = [0_u8; 4];
        client.read_exact(&mut length)?;
        let size = usize::try_from(u32::from_be_bytes(length)).unwrap();
        let mut body = vec![0; size - 4];
        client.read_exact(&mut body)?;
        if !is_first {
            // A query in one piece, or the first piece of one.
            if matches!(kind[0], b'Q' | b'P') {
                count.fetch_add(1, Ordering::SeqCst);
                let text = String::from_utf8_lossy(&body).trim_matches('\0').to_owned();
                said.lock().unwrap().push(text.chars().take(100).collect());
            }
        }
        // In one piece: small pieces wait for each other on the way.
        let mut message = if is_first { Vec::new() } else { kind.to_vec() };
        message.extend(length);
        message.append(&mut body);
        server.write_all(&message)?;
        is_first = false;
    }
}

#[test]
fn where_there_is_nothing_to_do_each_task_asks_one_question() {
    let estate = Estate::new("watch_idle");
    // Without credentials no shop is asked.
    for name in ["c1", "c2"] {
        estate.project.remove(&format!("manifests/{name}.yaml"));
    }
    estate.apply().ok();
    let counter = Counter::new(estate.database.tcp_address());
    let clock = Hands::at("2031-06-01T10:00:00Z");
    let replica = Replica::at(&counter.url(&estate.database), &estate, &clock, &[]);
    let mut tasks = [replica.alerts(), replica.health(), replica.delivery()].map(|task| Tasks::new([task]));
    for _ in 0..3 {
        tasks.iter_mut().for_each(|task| drop(task.run_out()));
    }
    assert!(counter.take().0 > 20, "the first rounds had something to do");
    for tasks in &mut tasks {
        let ran = tasks.run();
        let (count, said) = counter.take();
        assert_eq!(count, 1, "{said:#?}");
        // It waits for what is next, if anything is.
        assert!(ran[0].again.is_none_or(|again| again.as_secs() > 1), "{ran:?}");
    }
}
