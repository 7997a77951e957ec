//! A database that answers late, or not at all.

use super::*;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use synthex::engine::StateError;
use synthex::engine::delivery::{Claimed, Outbox, Record, Wanted};

const CONSOLE: &str = "{type: console}";

/// An outbox whose answers take a while, or never come.
struct Slow {
    inner: OutboxStore,
    claims_take: Duration,
    /// Whether it answers no more.
    hangs: Arc<AtomicBool>,
}

impl Slow {
    fn new(post: &Post, claims_take: Duration) -> Slow {
        Slow { inner: OutboxStore::new(post.options(), None), claims_take, hangs: Arc::default() }
    }

    async fn answers(&self) {
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

impl Outbox for Slow {
    async fn claim(&self, wanted: Wanted) -> Result<Claimed, StateError> {
        self.answers().await;
        let claimed = self.inner.claim(wanted).await;
        tokio::time::sleep(self.claims_take).await;
        claimed
    }

    async fn record(
        &self,
        records: Arc<Vec<Record>>,
        now: DateTime<Utc>,
    ) -> Result<HashSet<Uuid>, StateError> {
        self.answers().await;
        self.inner.record(records, now).await
    }
}

/// Asks for a stop after a while, and has the database hang before.
struct Hanging {
    after: Duration,
    hangs: Arc<AtomicBool>,
}

impl Interrupt for Hanging {
    async fn requested(&self) {
        tokio::time::sleep(self.after).await;
        self.hangs.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_lease_whose_claim_was_answered_late_begins_no_attempt_that_it_does_not_outlive() {
    let post = Post::new("outages_late", &[("a", CONSOLE)]);
    post.queue(&[message("one", &["a"])]);
    let sender = Script::new();
    let settings = Settings { lease: Duration::from_secs(3), ..settings("w") };
    let deliver = |claims_take| {
        let outbox = Slow::new(&post, claims_take);
        let clock = FixedClock(at(1));
        let stop = Hanging { after: Duration::from_millis(2200), hangs: Arc::default() };
        wait(async { Box::pin(deliver(&outbox, &sender, &clock, &stop, &settings)).await })
    };
    // 2.25 s may be needed of 3 s, of which two are over.
    let late = deliver(Duration::from_secs(2));
    assert!(late.counts.released > 0, "{late:?}");
    assert_eq!((late.counts.sent, sender.told().len()), (0, 0));
    assert_eq!(deliver(Duration::from_millis(200)).counts.sent, 1);
}

#[test]
fn who_is_to_stop_does_not_wait_for_a_database_that_hangs() {
    let post = Post::new("outages_hang", &[("a", CONSOLE)]);
    post.queue(&[message("one", &["a"])]);
    let sender = Script::new().takes("a", Duration::from_millis(600));
    let settings = Settings {
        grace: Duration::from_millis(1500),
        poll: Some(Duration::from_millis(50)),
        ..settings("w")
    };
    let outbox = Slow::new(&post, Duration::ZERO);
    let hangs = Arc::clone(&outbox.hangs);
    let stop = Hanging { after: Duration::from_millis(400), hangs };
    let began = Instant::now();
    let delivered =
        wait(async { Box::pin(deliver(&outbox, &sender, &FixedClock(at(1)), &stop, &settings)).await });
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(delivered.is_interrupted);
    assert_eq!((delivered.counts.lost, delivered.counts.sent), (1, 0));
    // It was sent, which is not on record: once its lease is over it is sent again under its id.
    post.estate
        .database
        .sql("update synthex.notification_deliveries set leased_until = clock_timestamp() - interval '1 s'");
    let again = Script::new();
    assert_eq!(post.deliver(&again, 1).counts.sent, 1);
    assert_eq!(again.told()[0].delivery, sender.told()[0].delivery);
}
