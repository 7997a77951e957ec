//! Reads what a plan needs and no more: heads of all rows, whole rows where they matter.

use std::collections::HashMap;

use crate::kinds;
use crate::plan::planner::missing;
use crate::plan::{Desired, Head, Observed, wanted_rows};

use super::state::{StateError, StateReader};

/// Reads the heads of all kinds, sorted by key. Empty where synthex is not installed.
///
/// # Errors
/// Whatever the store reports.
pub async fn observe_heads(
    reader: &mut impl StateReader,
    workspace: Option<&str>,
    declared: &[String],
) -> Result<Vec<Head>, StateError> {
    let mut heads = Vec::new();
    if !reader.is_installed().await? {
        return Ok(heads);
    }
    for kind in kinds::stored() {
        let mut of_kind = reader.heads(kind, workspace, declared).await?;
        if !of_kind.is_sorted_by(|left, right| left.key <= right.key) {
            of_kind.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        }
        heads.append(&mut of_kind);
    }
    Ok(heads)
}

/// Reads the rows that the plan for these heads needs.
///
/// # Errors
/// Whatever the store reports.
pub async fn observe_rows(
    reader: &mut impl StateReader,
    desired: &Desired<'_>,
    heads: Vec<Head>,
) -> Result<Observed, StateError> {
    let wanted = wanted_rows(desired, &heads);
    let rows = if wanted.is_empty() { Vec::new() } else { reader.rows(&wanted).await? };
    let gone = if heads.is_empty() { Vec::new() } else { missing(desired, &heads) };
    let vanished = if gone.is_empty() { Vec::new() } else { reader.vanished(&gone).await? };
    Ok(Observed {
        heads,
        rows: rows.into_iter().map(|row| (row.key.clone(), row)).collect(),
        vanished: vanished.into_iter().collect::<HashMap<_, _>>(),
    })
}
