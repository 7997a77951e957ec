//! What the tasks of the controller decide, one file each: pure, without a clock or a database.

pub mod alerts;
pub mod renewal;
