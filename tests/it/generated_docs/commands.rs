//! The command reference, from the definitions that also parse the arguments and print `--help`.

use std::fmt::Write as _;

use clap::builder::StyledStr;
use clap::{Arg, ArgAction, Command, CommandFactory as _};
use synthex::cli::args::Cli;

use super::{cell, check};

#[test]
fn generated_commands() {
    let mut root = Cli::command().term_width(0);
    root.build();
    let mut all = Vec::new();
    gather(&root, &mut Vec::new(), &mut all);
    let mut page = "# Commands\n\n`synthex COMMAND --help` says the same in the terminal.\n\n| command | |\n| --- | --- |\n".to_owned();
    for (path, command) in all.iter().skip(1) {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let anchor = path.join("-");
        let _ = writeln!(page, "| [`{}`](#{anchor}) | {} |", path.join(" "), cell(&about));
    }
    for (path, command) in &all {
        section(path, command, &mut page);
    }
    assert!(all.len() > 12, "only {} commands: was the tree walked?", all.len());
    check("commands.md", &page);
}

fn gather<'a>(command: &'a Command, path: &mut Vec<String>, all: &mut Vec<(Vec<String>, &'a Command)>) {
    path.push(command.get_name().to_owned());
    all.push((path.clone(), command));
    for child in command.get_subcommands().filter(|child| !child.is_hide_set() && child.get_name() != "help")
    {
        gather(child, path, all);
    }
    path.pop();
}

fn section(path: &[String], command: &Command, page: &mut String) {
    let is_root = path.len() == 1;
    let _ = writeln!(page, "\n## {}\n", path.join(" "));
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    prose(&about, page);
    let usage = command.clone().render_usage().to_string();
    let _ = writeln!(page, "\n```text\n{}\n```", usage.trim());
    // The reference is that of a binary without features.
    let is_apart = |arg: &Arg| matches!(arg.get_id().as_str(), "help" | "version" | "otlp_endpoint");
    let shown = |arg: &&Arg| !arg.is_hide_set() && !is_apart(arg);
    let own = |arg: &&Arg| is_root || !arg.is_global_set();
    let arguments: Vec<&Arg> = command.get_positionals().filter(shown).collect();
    list("Arguments", &arguments, page);
    let options: Vec<&Arg> = command.get_opts_and_flags().filter(shown).filter(own).collect();
    list(if is_root { "Options of every command" } else { "Options" }, &options, page);
    if let Some(after) = command.get_after_help() {
        after_help(after, page);
    }
}

trait OptsAndFlags {
    fn get_opts_and_flags(&self) -> impl Iterator<Item = &Arg>;
}

impl OptsAndFlags for Command {
    fn get_opts_and_flags(&self) -> impl Iterator<Item = &Arg> {
        self.get_arguments().filter(|arg| !arg.is_positional())
    }
}

/// Paragraphs as they are; indented lines as commands.
fn prose(text: &str, page: &mut String) {
    let mut inside = false;
    for line in text.lines() {
        let code = line.strip_prefix("  ");
        if code.is_some() != inside {
            page.push_str(if inside { "```\n" } else { "```sh\n" });
            inside = !inside;
        }
        let _ = writeln!(page, "{}", code.unwrap_or(line));
    }
    if inside {
        page.push_str("```\n");
    }
}

fn list(title: &str, arguments: &[&Arg], page: &mut String) {
    if arguments.is_empty() {
        return;
    }
    let _ = writeln!(page, "\n{title}:\n");
    for argument in arguments {
        let help =
            argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
        let _ = write!(page, "- `{}`: {}", name(argument), cell(&help));
        let takes_value = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
        if let Some(variable) = argument.get_env() {
            let _ = write!(page, ". Variable: `{}`", variable.to_string_lossy());
        }
        let defaults: Vec<_> =
            argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        if takes_value && !defaults.is_empty() {
            let _ = write!(page, ". Default: `{}`", defaults.join(" "));
        }
        page.push('\n');
        let values = if takes_value { argument.get_possible_values() } else { Vec::new() };
        if values.iter().any(|value| value.get_help().is_some()) {
            for value in &values {
                let about = value.get_help().map(ToString::to_string).unwrap_or_default();
                let _ = writeln!(page, "  - `{}`: {about}", value.get_name());
            }
        } else if !values.is_empty() {
            let names: Vec<_> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
            let _ = writeln!(page, "  - one of {}", names.join(", "));
        }
    }
}

fn name(argument: &Arg) -> String {
    let value = argument
        .get_value_names()
        .and_then(|names| names.first())
        .map(ToString::to_string)
        .unwrap_or_default();
    if argument.is_positional() {
        return if argument.is_required_set() { format!("<{value}>") } else { format!("[{value}]") };
    }
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let flag = [short, long].into_iter().flatten().collect::<Vec<_>>().join(", ");
    if matches!(argument.get_action(), ArgAction::Set | ArgAction::Append) {
        format!("{flag} <{value}>")
    } else {
        flag
    }
}

/// `Examples:` and what follows become a block of commands; other texts stay.
fn after_help(text: &StyledStr, page: &mut String) {
    page.push('\n');
    prose(&text.to_string().replace("Examples:\n", "Examples:\n\n"), page);
}
