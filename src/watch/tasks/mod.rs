//! What tasks decide, apart from where they get what they know.

pub mod alerts;
