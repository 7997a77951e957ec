//! An estate of 200 resources that goes to and fro between two states, and the account of what was tried.

use std::fmt::Display;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::cli::Outcome;
use crate::support::database::TestDatabase;
use crate::support::estate::{Estate, SIZE};
use crate::support::eventually;

/// Whether the full counts are wanted.
pub fn is_full() -> bool {
    std::env::var_os("SYNTHEX_CHAOS").is_some_and(|value| value == "1")
}

/// How many: the sample, or the full count.
pub fn count(sample: u32, full: u32) -> u32 {
    if is_full() { full } else { sample }
}

/// Puts what a test did on record, for the table at the end of `tests/chaos/run`.
pub fn account(test: &str, done: &[(&str, &dyn Display)]) {
    let words: Vec<String> = done.iter().map(|(what, number)| format!("{what} {number}")).collect();
    let line = format!("{test}: {}", words.join(", "));
    println!("{line}");
    if let Some(folder) = std::env::var_os("SYNTHEX_CHAOS_REPORT") {
        let name: String = test.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        std::fs::write(PathBuf::from(folder).join(name), format!("{line}\n")).expect("the account");
    }
}

/// Tenants that come from rows: with the estate's own, 200 resources.
const ROWS: usize = 200 - SIZE;
/// Rows that are there in one of the two states only.
const COMING_AND_GOING: usize = 10;

/// What an apply led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Led {
    Nowhere,
    There,
}

/// The estate and its two states.
pub struct Rig {
    pub estate: Estate,
    states: [Vec<String>; 2],
    /// Which of the two the database is in.
    now: usize,
    /// How often it changed: so many operations must be on record.
    changes: i64,
    /// The longest that a transaction outlived its client.
    pub longest: Duration,
    pub nowhere: u32,
    pub there: u32,
}

impl Rig {
    /// Both states have been applied once, and the database is in the first.
    pub fn new(hint: &str) -> Rig {
        Rig::on(TestDatabase::new(hint))
    }

    pub fn on(database: TestDatabase) -> Rig {
        let estate = Estate::on(database);
        let project =
            estate.project.read("synthex.yaml").replace("workspace: w,", "workspace: w, prune: true,");
        estate.project.write("synthex.yaml", project);
        estate.declare("TenantSet", "rows", "{from: {csv: rows.csv}}");
        let mut rig = Rig {
            estate,
            states: [Vec::new(), Vec::new()],
            now: 0,
            changes: 0,
            longest: Duration::ZERO,
            nowhere: 0,
            there: 0,
        };
        for state in [0, 1, 0] {
            rig.declare(state);
            rig.estate.apply().ok();
            rig.states[state] = rig.estate.declared();
            rig.changes += 1;
        }
        assert_eq!((rig.states[0].len(), rig.states[1].len()), (200, 200 - COMING_AND_GOING));
        assert_ne!(rig.states[0], rig.states[1]);
        rig
    }

    /// Declares one of the two states.
    fn declare(&self, state: usize) {
        let (region, other) = if state == 0 { ("AU-SE1", "NZ-NR1") } else { ("NZ-NR1", "AU-SE1") };
        let mut rows = "tenantId,name,type,region,shopifyShop\n".to_owned();
        for number in 0..ROWS - state * COMING_AND_GOING {
            rows.push_str(&format!("R{number},Row {number},shopify,{region},r{number}.myshopify.com\n"));
        }
        self.estate.project.write("manifests/rows.csv", rows);
        for file in ["T1", "T2", "T3", "w", "shops"] {
            let path = format!("manifests/{file}.yaml");
            let text = self.estate.project.read(&path).replace(other, region);
            self.estate.project.write(&path, text);
        }
    }

    /// Declares the state that the database is not in.
    pub fn turn(&self) {
        self.declare(1 - self.now);
    }

    /// How long an undisturbed apply of the change takes.
    pub fn usual(&mut self) -> Duration {
        self.turn();
        let begun = Instant::now();
        self.estate.apply().ok();
        let usual = begun.elapsed();
        self.look("undisturbed");
        usual
    }

    /// Finds out which state the database is in, and fails when it is in none of the two.
    #[track_caller]
    pub fn look(&mut self, point: &str) -> Led {
        let found = self.estate.declared();
        let state = self.states.iter().position(|state| *state == found);
        let state = state.unwrap_or_else(|| panic!("{point}: between two states: {} rows", found.len()));
        if state == self.now {
            self.nowhere += 1;
            return Led::Nowhere;
        }
        self.now = state;
        self.changes += 1;
        self.there += 1;
        Led::There
    }

    /// What came of a disturbed apply is what it said.
    #[track_caller]
    pub fn is_truthful(outcome: &Outcome, led: Led, point: &str) {
        assert!(
            !outcome.stderr.contains("canary") && !outcome.stderr.contains("panicked"),
            "{point}: {outcome}"
        );
        match outcome.code {
            0 => assert_eq!(led, Led::There, "{point}: it says that it is done\n{outcome}"),
            8 => {
                let unknown = outcome.stderr.contains("could not be found out");
                assert!(led == Led::Nowhere || unknown, "{point}: it says that nothing was done\n{outcome}");
            }
            137 => {}
            _ => panic!("{point}: neither done nor unreachable nor killed\n{outcome}"),
        }
    }

    /// No transaction of a client that is gone goes on, and no lease is held for longer than it may be.
    #[track_caller]
    pub fn no_lock_is_left(&mut self, point: &str) {
        let begun = Instant::now();
        let open = "select count(*) from pg_stat_activity where datname = current_database() \
                    and application_name like 'synthex %' and xact_start is not null";
        let gone = eventually(Duration::from_secs(5), || self.estate.database.query_one_i64(open) == 0);
        assert!(gone, "{point}: a transaction goes on without its client");
        self.longest = self.longest.max(begun.elapsed());
        let left = "select coalesce(ceil(max(extract(epoch from expires_at - clock_timestamp()))), 0)::bigint \
                    from synthex.leases where holder is not null";
        assert!(self.estate.database.query_one_i64(left) <= 15, "{point}: a lease outlives its time");
    }

    /// Whoever still holds a lease is dead: as if 15 seconds went by.
    pub fn let_leases_run_out(&self) {
        let sql = "update synthex.leases set expires_at = clock_timestamp() where holder is not null";
        self.estate.database.sql(sql);
    }

    /// The next apply brings about what is declared.
    #[track_caller]
    pub fn converges(&mut self, point: &str) {
        let outcome = self.estate.run(&["apply", "--yes", "--lock-timeout", "20s"]);
        assert_eq!(outcome.code, 0, "{point}: {outcome}");
        let (nowhere, there) = (self.nowhere, self.there);
        self.look(point);
        (self.nowhere, self.there) = (nowhere, there);
        assert_eq!(self.estate.leases_held(), 0, "{point}");
    }

    /// Each change is on record, once.
    #[track_caller]
    pub fn is_recorded_once(&self) {
        let sql = "select count(*) from synthex.batch_operations where status = 'applied'";
        assert_eq!(self.estate.database.query_one_i64(sql), self.changes, "each change is on record once");
        self.estate.is_converged();
    }
}
