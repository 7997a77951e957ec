//! What somebody else has a say in is left out, with the reason, where each tenant stands or falls alone.

use std::collections::{HashMap, HashSet};

use crate::cli::batching::{Batch, Failed};
use crate::cli::desk::Desk;
use crate::cli::error::CliError;
use crate::model::ResourceKey;
use crate::plan::references;

/// Takes what manifests declare or projects own out of what is asked. Returns it. Where that is all, nothing is taken out, and
/// the plan refuses.
///
/// # Errors
/// Whatever reading the project reports.
pub fn leave_out_claimed(
    desk: &Desk<'_>,
    batch: &mut Batch,
    keys: &[ResourceKey],
) -> Result<HashSet<ResourceKey>, CliError> {
    let claims = claims(desk, keys)?;
    Ok(leave_out(batch, keys, &claims))
}

/// The same of tenants that are to be deleted: one goes with its credentials or not at all.
///
/// # Errors
/// As there; or whatever the database reports.
pub async fn leave_out_with_parts(
    desk: &mut Desk<'_>,
    batch: &mut Batch,
    tenants: &[ResourceKey],
    parts: &[ResourceKey],
) -> Result<HashSet<ResourceKey>, CliError> {
    let all: Vec<ResourceKey> = tenants.iter().chain(parts).cloned().collect();
    let mut claims = claims(desk, &all)?;
    let claimed: Vec<ResourceKey> = parts.iter().filter(|key| claims.contains_key(key)).cloned().collect();
    for row in desk.rows(&claimed).await? {
        let Some(claim) = claims.remove(&row.key) else { continue };
        for whole in references::of_value(&row.key, &row.canonical) {
            claims.entry(whole).or_insert_with(|| format!("its {claim}"));
        }
    }
    Ok(leave_out(batch, tenants, &claims))
}

/// Who else has a say in each.
pub fn claims(desk: &Desk<'_>, keys: &[ResourceKey]) -> Result<HashMap<ResourceKey, String>, CliError> {
    let wanted: HashSet<ResourceKey> = keys.iter().cloned().collect();
    let lines = desk.claims(&wanted)?;
    let by_name: HashMap<String, ResourceKey> =
        wanted.into_iter().map(|key| (key.to_string(), key)).collect();
    let claim = |line: String| {
        let key = by_name.get(line.split(' ').next().unwrap_or_default())?.clone();
        Some((key, line))
    };
    Ok(lines.into_iter().filter_map(claim).collect())
}

fn leave_out(
    batch: &mut Batch,
    keys: &[ResourceKey],
    claims: &HashMap<ResourceKey, String>,
) -> HashSet<ResourceKey> {
    let claimed: Vec<(&ResourceKey, &String)> =
        keys.iter().filter_map(|key| Some((key, claims.get(key)?))).collect();
    if claimed.len() == keys.len() {
        return HashSet::new();
    }
    let failed =
        |(key, claim): &(&ResourceKey, &String)| Failed { item: key.to_string(), error: (*claim).clone() };
    batch.failed.extend(claimed.iter().map(failed));
    let left: HashSet<ResourceKey> = claimed.into_iter().map(|(key, _)| key.clone()).collect();
    batch.asked.retain(|key| !left.contains(key));
    left
}
