//! What was done with the program in a period: sums and percentiles, and how they are shown.

mod figures;
mod period;
pub mod schema;
mod text;

pub use figures::{Counted, Report, Statistics, Usage, commands, statistics};
pub use period::{NoPeriod, Period};
pub use text::{Chart, commands_text, errors_text, performance_text, report_text};
