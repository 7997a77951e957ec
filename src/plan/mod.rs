//! The planner: `plan = diff(desired, observed)`. Pure, synchronous, total, deterministic.
//!
//! It never looks at status columns, at a clock, or at anything but its arguments; so `plan`, the first half of `apply`
//! and the check after writing are one function. Read in this order: [`observed`], [`action`], [`planner`], [`guards`].

pub mod action;
pub mod approval;
mod changing;
pub mod columns;
pub mod desired;
pub mod diff;
pub mod drift;
pub mod guards;
pub mod ignored;
pub mod moves;
pub mod observed;
pub mod order;
pub mod past;
pub mod pauses;
pub mod planner;
pub mod reason;
pub mod record;
pub mod references;
pub mod saved;
pub mod sealed;
pub mod selection;

pub use action::{Action, ActionKind, FieldChange, Plan, Reason, Refusal, Summary, Suspect};
pub use desired::{Cause, Desired};
pub use ignored::Ignore;
pub use observed::{Head, Observed, Row, Vanished};
pub use planner::{is_empty, plan, wanted_rows};
pub use selection::{Chosen, Selection};
