//! `blame`: who last set each field of a resource.

use clap::Args;

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::records::{KeyArg, Records};
use crate::engine::StateReader as _;
use crate::plan::record::blame as blame_of;
use crate::report::{history, history_json};

/// Show who last set each field of a resource
///
/// For each field as it is in the database now: its value, the actor or the database role that set it, the revision, when, and
/// the place in the manifests at that commit.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex blame tenant/acme\n  synthex blame credential/anz-smb/acme-shopify --format json"
)]
pub struct BlameArgs {
    #[command(flatten)]
    pub key: KeyArg,
}

/// Runs `blame`.
///
/// # Errors
/// There is no such resource now; or problems of the database.
pub async fn blame(context: &Context, args: &BlameArgs) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    let mut records = Records::open(context, "blame").await?;
    let key = records.find(context, &args.key.key).await?;
    let trail = records.trail(&key).await?;
    let row = records.connection.rows(std::slice::from_ref(&key)).await?.into_iter().next();
    records.connection.close().await;
    let Some(row) = row else {
        let error = CliError::usage(format!("{key} is not in the database any more"));
        return Err(match trail.renamed_to {
            Some((name, revision)) => error
                .why(format!("it is named {name} since revision {revision}"))
                .help(format!("synthex blame {}/{}/{name}", key.kind.slug, key.workspace)),
            None => error.help(format!("synthex history {key} shows what it was")),
        });
    };
    if row.deleted {
        context.printer.note(&format!("{key} is deleted; synthex restore {key} brings it back."));
    }
    let fields = blame_of(&row.canonical, &trail.events);
    if context.global.format == Format::Json {
        context.printer.json(&history_json::blame(&key, &fields));
    } else {
        let now = context.clock.now();
        context.printer.result(&history::blame(&key, &fields, now, &context.printer.stdout));
    }
    Ok(ExitStatus::Success)
}
