//! The floors that `tests/bench/bench.py` compares with: what a naive program spends on reading the same bytes.
//!
//! `cargo bench --bench floors -- FILE` prints the median milliseconds of five runs of parsing the file with `serde_yaml`
//! into a typed struct on one thread, and of hashing it. Nothing is validated.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measuring program reads a file and prints"
)]

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "decoding into the fields is what is measured")]
struct Manifest {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "decoding into the fields is what is measured")]
struct Metadata {
    name: String,
    workspace: String,
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "decoding into the fields is what is measured")]
struct Spec {
    display_name: String,
    #[serde(rename = "type")]
    tenant_type: String,
    market: String,
    region: String,
    status: String,
    shopify_shop: String,
    industry: String,
    website: String,
    contact: BTreeMap<String, String>,
    metadata: BTreeMap<String, String>,
}

fn median(mut run: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..5)
        .map(|_| {
            let begun = Instant::now();
            run();
            begun.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[2]
}

fn main() {
    // Cargo adds `--bench`.
    let Some(path) = std::env::args().skip(1).find(|argument| !argument.starts_with("--")) else {
        eprintln!("usage: cargo bench --bench floors -- FILE");
        return;
    };
    let bytes = std::fs::read(&path).expect("the file is there");
    let parse = median(|| {
        let mut count = 0;
        for document in serde_yaml::Deserializer::from_slice(&bytes) {
            std::hint::black_box(Manifest::deserialize(document).expect("a tenant"));
            count += 1;
        }
        assert!(count > 0);
    });
    let hash = median(|| {
        assert_ne!(Sha256::digest(&bytes).as_slice(), [0; 32]);
    });
    println!("parse_ms {parse:.1}");
    println!("hash_ms {hash:.1}");
}
