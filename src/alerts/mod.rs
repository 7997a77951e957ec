//! When something is worth telling: pure, so that what will be told next week is a plain question.

pub mod expiry;
