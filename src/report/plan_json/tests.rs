//! Plans as programs read them.
