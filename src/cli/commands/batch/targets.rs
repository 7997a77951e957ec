//! Which tenants a batch is about: those that are named, or those that fit a selector.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::desk::{Desk, some};
use crate::cli::error::CliError;
use crate::cli::preferences;
use crate::kinds::tenant;
use crate::model::ResourceKey;
use crate::model::diagnostic::did_you_mean;
use crate::model::selector::Selector;
use crate::plan::{Row, Selection};

/// Options that name tenants.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Which tenants")]
pub struct TargetArgs {
    /// These tenants, separated by commas; repeatable
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    pub tenant_ids: Vec<String>,
    /// The tenants whose labels fit, or fields where there is no such label: `tier=gold,status!=inactive`
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with = "tenant_ids")]
    pub selector: Option<String>,
}

impl TargetArgs {
    /// Whether each of them is named.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.selector.is_none()
    }

    /// The rows of the tenants, sorted by key; `any` also takes deleted ones.
    ///
    /// # Errors
    /// Some are not there: all of them are named. Or nothing fits the selector.
    pub async fn rows(
        &self,
        context: &Context,
        desk: &mut Desk<'_>,
        any: bool,
    ) -> Result<Vec<Row>, CliError> {
        let Some(text) = &self.selector else {
            let ids: Vec<String> =
                self.tenant_ids.iter().map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect();
            if ids.is_empty() {
                return Err(CliError::usage("no tenant is named")
                    .help("name some with --tenant-ids A,B, or choose them with --selector tier=gold"));
            }
            let keys = find(desk, &ids, any)?;
            return desk.rows(&keys).await;
        };
        let selector: Selector = text.parse().map_err(|error: crate::model::selector::SelectorError| {
            CliError::usage(error.to_string())
                .help("for example: -l 'tier=gold,market in (ANZ_SMB,UK_SMB),!legacy'")
        })?;
        if text.trim().is_empty() {
            return Err(CliError::usage("the selector is empty")
                .help("to mean all tenants, write one that all have: -l type"));
        }
        // What a person made active holds for what they choose too.
        let active = preferences::workspace(context)?.map(|choice| choice.name);
        let keys: Vec<ResourceKey> = desk
            .heads
            .iter()
            .filter(|head| head.key.kind.rank == tenant::KIND.rank && (any || !head.deleted))
            .filter(|head| active.as_deref().is_none_or(|active| active == &*head.key.workspace))
            .map(|head| head.key.clone())
            .collect();
        let selection = Selection { labels: Some(selector), ..Selection::default() };
        let total = keys.len();
        let mut rows = desk.rows(&keys).await?;
        rows.retain(|row| selection.matches_labels(&row.canonical));
        if rows.is_empty() {
            let place = active.map_or(String::new(), |name| format!(" of workspace `{name}`"));
            return Err(CliError::usage(format!("no tenant fits `{text}`"))
                .why(format!("none of the {total} tenants{place} does; nothing was changed"))
                .help("`synthex batch export csv` shows them with their labels"));
        }
        Ok(rows)
    }
}

/// The tenants with these ids.
///
/// # Errors
/// Some are not there, and all of those are named; or one is in several workspaces.
pub fn find(desk: &Desk<'_>, ids: &[String], any: bool) -> Result<Vec<ResourceKey>, CliError> {
    let known: std::collections::HashSet<&str> = desk
        .heads
        .iter()
        .filter(|head| head.key.kind.rank == tenant::KIND.rank && (any || !head.deleted))
        .map(|head| &*head.key.name)
        .collect();
    let mut unknown: Vec<&str> = ids.iter().map(String::as_str).filter(|id| !known.contains(id)).collect();
    unknown.sort_unstable();
    unknown.dedup();
    let Some(first) = unknown.first().filter(|_| desk.is_installed) else {
        return if any { desk.find_any(&tenant::KIND, ids) } else { desk.find(&tenant::KIND, ids) };
    };
    let what = match unknown.as_slice() {
        [one] => format!("there is no tenant `{one}`"),
        many => format!("{} tenants are not there: {}", many.len(), some(many.iter())),
    };
    let mut near: Vec<&str> = known.iter().copied().collect();
    near.sort_unstable();
    let help = match did_you_mean(first, near) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`synthex tenant tenants list` shows them".to_owned(),
    };
    let mut error = CliError::usage(what).why("nothing was changed").help(help);
    if unknown.len() > 1 {
        error.also = unknown.iter().map(|id| format!("there is no tenant `{id}`")).collect();
    }
    Err(error)
}
