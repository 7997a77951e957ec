//! What the conditions of a silence fit when it is made, so that a slip is noticed before it has an effect, or none.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cli::desk::Desk;
use crate::cli::error::CliError;
use crate::kinds;
use crate::model::ResourceKey;
use crate::model::matcher::{Matcher, OWN_LABEL, all_fit};

/// Labels by name.
type Labels = BTreeMap<String, String>;

/// What alerts have from their tenant, and from their workspace.
const OF_TENANT: [&str; 4] = ["tenant", "market", "region", "workspace"];

/// How many open alerts the conditions fit now; and where it is none, whether there is a tenant that they could fit.
///
/// # Errors
/// Whatever the database reports.
pub(super) async fn notice(
    desk: &mut Desk<'_>,
    workspace: &str,
    conditions: &[String],
) -> Result<String, CliError> {
    let matchers: Vec<Matcher> = conditions.iter().filter_map(|text| text.parse().ok()).collect();
    let open = match desk.is_installed {
        true => desk.connection.labels_of_alerts(workspace).await?,
        false => Vec::new(),
    };
    let fits = |labels: &Labels, matchers: &[Matcher]| {
        all_fit(matchers, |label| labels.get(label).map(String::as_str))
    };
    let count = open.iter().filter(|labels| fits(labels, &matchers)).count();
    if count > 0 {
        let plural = if count == 1 { "" } else { "s" };
        return Ok(format!("{count} open alert{plural} fit{} now", if count == 1 { "s" } else { "" }));
    }
    // What an alert is about besides, nobody knows before it is there.
    let of_tenants: Vec<Matcher> = matchers.into_iter().filter(is_of_tenant).collect();
    let mut candidates = vec![Labels::new()];
    candidates.extend(tenants(desk, workspace).await?);
    for labels in &mut candidates {
        labels.insert("workspace".to_owned(), workspace.to_owned());
    }
    let could_fit = candidates.iter().any(|labels| fits(labels, &of_tenants));
    Ok(if could_fit {
        "no open alert fits now: it counts for those that are to come".to_owned()
    } else {
        "nothing fits now: no open alert, and no tenant that is declared or stored".to_owned()
    })
}

fn is_of_tenant(matcher: &Matcher) -> bool {
    OF_TENANT.contains(&matcher.label.as_str()) || matcher.label.starts_with(OWN_LABEL)
}

/// The labels that alerts of the tenants of a workspace have from them.
async fn tenants(desk: &mut Desk<'_>, workspace: &str) -> Result<Vec<Labels>, CliError> {
    let is_here =
        |key: &ResourceKey| key.kind.rank == kinds::tenant::KIND.rank && *key.workspace == *workspace;
    let keys: Vec<ResourceKey> =
        desk.living(&kinds::tenant::KIND).map(|head| head.key.clone()).filter(is_here).collect();
    let stored = desk.rows(&keys).await?;
    let mut found: Vec<Labels> = stored.iter().map(|row| labels_of(&row.key, &row.canonical)).collect();
    let declared = desk.catalog().into_iter().flat_map(|catalog| &catalog.entries);
    found.extend(declared.filter(|entry| is_here(&entry.key)).map(|entry| {
        let canonical: Value = serde_json::from_str(&entry.canonical).unwrap_or_default();
        labels_of(&entry.key, &canonical)
    }));
    Ok(found)
}

fn labels_of(key: &ResourceKey, canonical: &Value) -> Labels {
    let mut labels = Labels::from([("tenant".to_owned(), key.name.to_string())]);
    for field in ["market", "region"] {
        let value = canonical["spec"][field].as_str().unwrap_or_default();
        labels.insert(field.to_owned(), value.to_owned());
    }
    for (name, value) in canonical["labels"].as_object().into_iter().flatten() {
        labels.insert(format!("{OWN_LABEL}{name}"), value.as_str().unwrap_or_default().to_owned());
    }
    labels
}
