//! `templates delete`.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::desk::{Asked, Desk, OwnArgs};
use crate::cli::editing::{self, Manner};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::signals::Signals;
use crate::cli::writing::WriteArgs;
use crate::kinds::tenant_template;

/// Delete a template that no tenant was made from
///
/// Softly: `synthex restore` brings it back. With --permanent it is removed for good, which asks for the plan's digest and
/// for the number of deletions. Built-in templates cannot be deleted, nor those that tenants name.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex templates delete surf-shops --dry-run\n  synthex templates delete --template-id surf-shops --yes\n\nWith --format json it prints the plan and what came of it, as `synthex apply` does."
)]
pub struct DeleteArgs {
    /// The template's name
    #[arg(value_name = "TEMPLATE", required_unless_present = "template_id")]
    pub template: Option<String>,
    /// The template's name, as an option
    #[arg(long, value_name = "TEMPLATE", conflicts_with = "template")]
    pub template_id: Option<String>,
    /// Remove the row for good
    #[arg(long)]
    pub permanent: bool,
    #[command(flatten)]
    pub write: WriteArgs,
    #[command(flatten)]
    pub own: OwnArgs,
}

/// Deletes it.
///
/// # Errors
/// It is built in, in use or not there, or the database does not take it. Nothing was changed.
pub async fn delete(context: &Context, args: &DeleteArgs) -> Result<ExitStatus, CliError> {
    const COMMAND: &str = "templates delete";
    const MOST: usize = 20;
    let signals = Signals::listen()?;
    let kind = &tenant_template::KIND;
    let name = args.template.clone().or_else(|| args.template_id.clone()).unwrap_or_default();
    let mut desk = Desk::open(context, COMMAND).await?;
    let is_builtin = tenant_template::builtin().iter().any(|(known, _)| *known == name);
    let is_stored = desk.heads.iter().any(|head| head.key.kind.rank == kind.rank && *head.key.name == *name);
    if is_builtin && !is_stored {
        let what = format!("`{name}` is a built-in template, and cannot be deleted");
        return Err(CliError::new(ExitStatus::Refused, "built-in", what)
            .why("it is in the program, not in the database")
            .help("leave it unused, or save one of your own: synthex templates save"));
    }
    let names = std::slice::from_ref(&name);
    let gone = if args.permanent { desk.find_any(kind, names)? } else { desk.find(kind, names)? };
    for key in &gone {
        let usual = desk.found.as_ref().and_then(|found| found.project.spec.workspace.clone());
        let everywhere = usual.as_deref() == Some(&*key.workspace);
        let users = desk.connection.made_from(&key.workspace, &key.name, everywhere).await?;
        if !users.is_empty() {
            let count = users.len();
            let plural = if count == 1 { " was" } else { "s were" };
            let what = format!("template `{}` is in use: {count} tenant{plural} made from it", key.name);
            let mut error = CliError::new(ExitStatus::Refused, "in-use", what)
                .why("without it, their required fields and setup steps would not be known; nothing was changed")
                .help("give them another first: synthex tenant tenants update TENANT --template OTHER");
            error.also = users.into_iter().take(MOST).map(|user| format!("tenant/{user}")).collect();
            if count > MOST {
                error.also.push(format!("and {} more", count - MOST));
            }
            return Err(error);
        }
    }
    let asked = Asked { gone, permanent: args.permanent, is_named: true, ..Asked::default() };
    let manner = Manner { command: COMMAND, own: &args.own, write: &args.write };
    Ok(editing::carry_out(context, desk, asked, manner, Vec::new(), &signals).await?.status)
}
