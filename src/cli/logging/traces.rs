//! Traces of what the controller does, sent to a collector as OTLP over HTTP (feature `otel`).
//!
//! Ended spans wait in a queue of bounded length; a thread of its own sends them in batches and waits a few seconds at most for
//! an answer. A collector that is away costs spans, and neither time nor memory. It is said once that it is away, and once
//! that it is back. Only spans of synthex are sent, so sending makes nothing new to be sent.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter,
};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;
use url::Url;

use crate::cli::error::CliError;
use crate::http;

/// How long the collector may take for a batch, with everything.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long the end of the program waits for the last batch. It is more than one batch takes.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// How many spans wait at most. What comes on top is dropped.
const MOST_WAITING: usize = 2_048;

/// Sends spans, until it is told that there will be none.
#[derive(Debug)]
pub struct Sender(SdkTracerProvider);

impl Sender {
    /// Sends what waits, and returns when it is sent, or when it cannot be.
    pub fn flush(&self) {
        let _ = self.0.force_flush();
    }

    /// Sends what waits and stops. A collector that does not answer is not waited for long.
    pub fn finish(self) {
        if let Err(error) = self.0.shutdown_with_timeout(LAST_PATIENCE) {
            tracing::debug!(%error, "the last traces were not sent");
        }
    }
}

/// Where traces are posted, at a collector of this address.
///
/// # Errors
/// It is no address, or not one of HTTP, or there is a password in it.
pub fn address(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("it begins neither with http:// nor with https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "a user or a password in it would be shown: OTEL_EXPORTER_OTLP_HEADERS is for secrets".to_owned()
        );
    }
    let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

/// What collects the spans of synthex, and what sends them.
///
/// # Errors
/// No connection can be made at all: the certificates of this system cannot be read.
pub fn layer<S>(address: &Url) -> Result<(Box<dyn Layer<S> + Send + Sync>, Sender), CliError>
where
    S: Subscriber + for<'s> LookupSpan<'s> + Send + Sync,
{
    let failed = |why: String| CliError::other("traces cannot be sent", why);
    let client = http::traces::client(address, PATIENCE).map_err(|error| failed(error.what))?;
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(PATIENCE)
        .with_endpoint(address.as_str())
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let host = address.host_str().unwrap_or_default().to_owned();
    let post = Post { exporter, runtime, host, is_away: AtomicBool::new(false) };
    let queue = BatchConfigBuilder::default().with_max_queue_size(MOST_WAITING).build();
    let processor = BatchSpanProcessor::builder(post).with_batch_config(queue).build();
    let resource = Resource::builder().with_service_name("synthex").build();
    let provider =
        SdkTracerProvider::builder().with_span_processor(processor).with_resource(resource).build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("synthex"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false);
    Ok((layer.boxed(), Sender(provider)))
}

/// Sends batches one after the other, and says when the collector goes away and comes back.
struct Post {
    exporter: opentelemetry_otlp::SpanExporter,
    /// The client needs one, and the thread that sends has none.
    runtime: tokio::runtime::Runtime,
    host: String,
    is_away: AtomicBool,
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Whether something is to be said, after a batch was sent or was not.
fn is_news(is_away: &AtomicBool, failed: bool) -> bool {
    is_away.swap(failed, Ordering::Relaxed) != failed
}

impl SpanExporter for Post {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let sent = async { tokio::time::timeout(PATIENCE, self.exporter.export(batch)).await };
        let outcome = self.runtime.block_on(sent).unwrap_or(Err(OTelSdkError::Timeout(PATIENCE)));
        let host = self.host.as_str();
        match &outcome {
            Err(error) if is_news(&self.is_away, true) => {
                tracing::warn!(host, %error, "traces do not reach the collector, and are dropped until they do");
            }
            Err(error) => tracing::debug!(host, count, %error, "traces were dropped"),
            Ok(()) if is_news(&self.is_away, false) => {
                tracing::info!(host, "traces reach the collector again");
            }
            Ok(()) => {}
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_given_by_its_address() {
        let check = |text: &str, expected: &str| assert_eq!(address(text).unwrap().as_str(), expected);
        check("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces");
        check("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces");
        check("https://otel.example/in/", "https://otel.example/in/v1/traces");
        for bad in ["collector:4317", "ftp://collector/", "/v1/traces", "", "http://user:secret@collector/"] {
            let why = address(bad).unwrap_err();
            assert!(!why.contains("secret@"), "{why}");
        }
    }

    #[test]
    fn a_collector_that_stays_away_is_said_once() {
        let is_away = AtomicBool::new(false);
        let said: Vec<bool> =
            [false, true, true, true, false, false, true].map(|failed| is_news(&is_away, failed)).to_vec();
        assert_eq!(said, [false, true, false, false, true, false, true]);
    }
}
