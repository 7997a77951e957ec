//! The client that posts traces to a collector. Its address is the operator's, given at the command line, and what is sent is
//! no secret: so the collector may be in a private network, and without encryption.

use std::time::Duration;

use url::Url;

use super::HttpError;

/// A client for one collector. It keeps no connection: between two batches nobody would notice that it broke.
///
/// # Errors
/// The certificates of this system cannot be read.
pub fn client(address: &Url, timeout: Duration) -> Result<reqwest::Client, HttpError> {
    super::made(super::builder(timeout, super::is_loopback(address)).pool_max_idle_per_host(0))
}
