//! Against the machine's real PostgreSQL: a mock would agree with every mistake made here.

mod life;
mod pure;
mod search;
mod support;
mod trouble;
