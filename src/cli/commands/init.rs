//! `init`: a project to start from. Never overwrites.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::files::{self, PROJECT_FILE};
use crate::manifest::schema;
use crate::model::key::is_name;
use crate::report;

/// Make a project to start from: project file, an example of each kind, workflows for pull requests
///
/// What is there already is left alone. The first workspace is named by --workspace, or else after the market.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex init\n  synthex init shop --market ANZ_SMB --region AU-SE1\n  synthex init --name agency --workspace us-smb --market US_SMB --region US-EA1"
)]
pub struct InitArgs {
    /// The folder to make it in; created where it is missing
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// The project's name. Default: the folder's
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The market of the first workspace
    #[arg(long, value_name = "MARKET", default_value = "ANZ_SMB", value_parser = ["ANZ_SMB", "ANZ_ENTERPRISE", "US_SMB", "UK_SMB"])]
    pub market: String,
    /// The region of the first workspace. Default: the market's usual one
    #[arg(long, value_name = "REGION", value_parser = ["AU-SE1", "NZ-NR1", "US-EA1", "EU-WE1"])]
    pub region: Option<String>,
    /// Show what would be written and stop
    #[arg(long)]
    pub dry_run: bool,
}

/// Runs `init`.
///
/// # Errors
/// A file cannot be written.
pub fn init(context: &Context, args: &InitArgs) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    let name = project_name(context, args)?;
    let workspace = match &context.global.workspace {
        Some(name) if !is_name(name) => {
            return Err(CliError::usage(format!("`{name}` is not a workspace's name"))
                .help("start with a letter or digit; then letters, digits, `.`, `_` and `-`"));
        }
        Some(name) => name.clone(),
        None => args.market.to_lowercase().replace('_', "-"),
    };
    let region = args.region.clone().unwrap_or_else(|| usual_region(&args.market).to_owned());
    let next_month = (context.clock.now() + chrono::TimeDelta::days(30)).format("%Y-%m-%d").to_string();
    let files = scaffold(&name, &workspace, &args.market, &region, &next_month);
    let here = args.dir == Path::new(".");
    let mut written = Vec::new();
    let mut kept = Vec::new();
    for (path, text) in files {
        let target = if here { PathBuf::from(path) } else { args.dir.join(path) };
        let fresh = if args.dry_run { !files::is_there(&target) } else { make(&target, &text)? };
        if fresh {
            written.push(target);
        } else {
            kept.push(target);
        }
    }
    if context.global.format == Format::Json {
        let value = json!({"format_version": "1.0", "project": name, "written": written, "kept": kept, "dry_run": args.dry_run});
        context.printer.json(&value);
        return Ok(ExitStatus::Success);
    }
    let verb = if args.dry_run { "would write" } else { "wrote" };
    let mut text = String::new();
    for path in &written {
        text.push_str(&format!("{verb}  {}\n", path.display()));
    }
    for path in &kept {
        text.push_str(&format!("kept  {} (it was there already)\n", path.display()));
    }
    context.printer.result(&text);
    if let Some(root) = repository_above(context, &args.dir) {
        context.printer.note(&format!(
            "\nGitHub reads workflows only at the root of a repository: move .github/ into {}",
            root.display()
        ));
    }
    if !args.dry_run {
        let go = if here { String::new() } else { format!("cd {}, then ", quoted(&args.dir)) };
        context.printer.note(&format!("\nNext: {go}synthex plan, then synthex apply"));
    }
    Ok(ExitStatus::Success)
}

/// The repository that a folder is in, where that does not begin with the folder itself.
fn repository_above(context: &Context, dir: &Path) -> Option<PathBuf> {
    let dir = context.directory.join(dir);
    let dir = files::canonical(&dir).unwrap_or(dir);
    let root = dir.ancestors().find(|folder| files::is_there(&folder.join(".git")))?;
    (root != dir).then(|| root.to_path_buf())
}

/// A path as a shell reads it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |character: char| character.is_alphanumeric() || "/._-".contains(character);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

fn make(target: &Path, text: &str) -> Result<bool, CliError> {
    if let Some(folder) = target.parent() {
        files::ensure_folder(folder)?;
    }
    Ok(files::create_new(target, text)?)
}

fn project_name(context: &Context, args: &InitArgs) -> Result<String, CliError> {
    if let Some(name) = &args.name {
        return if is_name(name) && name != "cli" {
            Ok(name.clone())
        } else {
            Err(CliError::usage(format!("`{name}` is not a project's name"))
                .help("start with a letter or digit; then letters, digits, `.`, `_` and `-`; `cli` is taken"))
        };
    }
    let folder = context.directory.join(&args.dir);
    let folder = files::canonical(&folder).unwrap_or(folder);
    let last = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name: String = last
        .chars()
        .map(|character| if is_name(&character.to_string()) || character == '-' { character } else { '-' })
        .collect();
    let name = name.trim_matches('-').to_owned();
    Ok(if is_name(&name) && name != "cli" { name } else { "project".to_owned() })
}

fn usual_region(market: &str) -> &'static str {
    match market {
        "US_SMB" => "US-EA1",
        "UK_SMB" => "EU-WE1",
        _ => "AU-SE1",
    }
}

/// The workflows, and the scripts that they use: the examples, word for word.
const WORKFLOWS: [&str; 4] = [
    include_str!("../../../examples/github-actions/plan.yml"),
    include_str!("../../../examples/github-actions/apply.yml"),
    include_str!("../../../examples/github-actions/upsert-comment.sh"),
    include_str!("../../../examples/github-actions/approved-comment.sh"),
];

const MODELINE: &str = "# yaml-language-server: $schema=";

/// The files of a new project, by path.
fn scaffold(
    name: &str,
    workspace: &str,
    market: &str,
    region: &str,
    next_month: &str,
) -> Vec<(&'static str, String)> {
    let modeline = format!("{MODELINE}../schemas/manifest.schema.json\n");
    let fill = |text: &str| {
        text.replace("{name}", name)
            .replace("{workspace}", workspace)
            .replace("{market}", market)
            .replace("{region}", region)
            .replace("{next_month}", next_month)
    };
    let manifest = |text: &str| format!("{modeline}{}", fill(text));
    vec![
        (
            PROJECT_FILE,
            format!("{MODELINE}schemas/manifest.schema.json\n{}", fill(include_str!("init/synthex.yaml"))),
        ),
        (".gitignore", ".synthex/\nsynthex-ci/\n# Secrets, and pairs of tokens that are being saved.\nsecrets/\n.*.renewal\n".to_owned()),
        ("schemas/manifest.schema.json", report::json::text(&schema::of_any())),
        ("manifests/workspace.yaml", manifest(include_str!("init/workspace.yaml"))),
        ("manifests/template.yaml", manifest(include_str!("init/template.yaml"))),
        ("manifests/tenants.yaml", manifest(include_str!("init/tenants.yaml"))),
        ("manifests/clients.csv", include_str!("init/clients.csv").to_owned()),
        ("manifests/credentials.yaml", manifest(include_str!("init/credentials.yaml"))),
        ("manifests/channels.yaml", manifest(include_str!("init/channels.yaml"))),
        ("manifests/alert-rules.yaml", manifest(include_str!("init/alert-rules.yaml"))),
        ("manifests/monitoring.yaml", manifest(include_str!("init/monitoring.yaml"))),
        (".github/workflows/synthex-plan.yml", WORKFLOWS[0].to_owned()),
        (".github/workflows/synthex-apply.yml", WORKFLOWS[1].to_owned()),
        (".github/synthex/upsert-comment.sh", WORKFLOWS[2].to_owned()),
        (".github/synthex/approved-comment.sh", WORKFLOWS[3].to_owned()),
    ]
}
