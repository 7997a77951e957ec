//! The words of a channel's own templates (`spec.template`): checked before anything is sent, and rendered within limits.
//!
//! A template makes plain text, never markup: what it makes is escaped for its channel like any other text, so neither a
//! template nor a value in it can break a message or ping a channel (M-T2). It sees the message and nothing else: no file, no
//! variable of the environment, no network, no other template (M-T1).

use std::collections::BTreeSet;

use chrono::DateTime;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, ErrorKind, UndefinedBehavior};

use crate::kinds::notification_channel::Template;

use super::notice::{Notice, sample};
use super::{Event, Message};

/// How much work one template may be: about so many steps, or 64 times as many bytes.
const FUEL: u64 = 100_000;

/// The most characters that a title may have.
pub const MOST_TITLE: usize = 300;

/// The most characters that a body may have.
pub const MOST_BODY: usize = 20_000;

/// A template cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateProblem {
    /// Which one: `title` or `body`.
    pub field: &'static str,
    /// The line within it, from 1, where that is known.
    pub line: Option<usize>,
    /// What is wrong, in one line.
    pub what: String,
    /// What to do.
    pub help: String,
}

/// What templates made: `None` where there is no template for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// The title, on one line.
    pub title: Option<String>,
    /// The text.
    pub body: Option<String>,
}

/// Checks templates: every variable is one that there is, and made-up messages of several sorts can be rendered.
///
/// # Errors
/// Everything that is wrong, the title first.
pub fn check(template: &Template) -> Result<(), Vec<TemplateProblem>> {
    let mut problems = Vec::new();
    for (field, source) in fields(template) {
        if let Err(problem) = check_one(field, source) {
            problems.push(problem);
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Renders the templates of a channel for a message.
///
/// # Errors
/// The first that cannot be rendered. A caller tells the message in the usual words then: a message with the wrong words is
/// better than none.
pub fn render(template: &Template, notice: &Notice<'_>) -> Result<Rendered, TemplateProblem> {
    let data = Value::from(Serde(notice.data()));
    let mut rendered = Rendered::default();
    for (field, source) in fields(template) {
        let text = render_one(field, source, &data)?;
        match field {
            "title" => rendered.title = Some(text.split_whitespace().collect::<Vec<_>>().join(" ")),
            _ => rendered.body = Some(text.trim_end().to_owned()),
        }
    }
    Ok(rendered)
}

fn fields(template: &Template) -> impl Iterator<Item = (&'static str, &str)> {
    let both = [("title", &template.title), ("body", &template.body)];
    both.into_iter().filter_map(|(field, source)| Some((field, source.as_deref()?)))
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(50);
    environment.remove_global("debug");
    // What is not known is null, and shown as nothing.
    environment.set_formatter(|out, state, value| {
        if value.is_none() { Ok(()) } else { minijinja::escape_formatter(out, state, value) }
    });
    environment
}

fn check_one(field: &'static str, source: &str) -> Result<(), TemplateProblem> {
    let environment = environment();
    let template =
        environment.template_from_named_str(field, source).map_err(|error| problem(field, &error))?;
    let messages = samples();
    let Some(first) = messages.first() else { return Ok(()) };
    let data = notice(first, false).data();
    let known: BTreeSet<&str> =
        data.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let functions = ["range", "dict", "namespace"];
    // Also in a branch that no sample takes.
    let used: BTreeSet<String> = template.undeclared_variables(false).into_iter().collect();
    if let Some(name) =
        used.iter().find(|name| !known.contains(name.as_str()) && !functions.contains(&name.as_str()))
    {
        return Err(TemplateProblem {
            field,
            line: line_of(source, name),
            what: format!("there is no variable `{name}`"),
            help: help_for(name, &known),
        });
    }
    for message in &messages {
        for is_late in [false, true] {
            render_one(field, source, &Value::from(Serde(notice(message, is_late).data())))?;
        }
    }
    Ok(())
}

fn help_for(name: &str, known: &BTreeSet<&str>) -> String {
    match crate::model::diagnostic::did_you_mean(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("use one of {}", known.iter().copied().collect::<Vec<_>>().join(", ")),
    }
}

fn line_of(source: &str, name: &str) -> Option<usize> {
    source.lines().position(|line| line.contains(name)).map(|index| index + 1)
}

fn render_one(field: &'static str, source: &str, data: &Value) -> Result<String, TemplateProblem> {
    let text = environment()
        .render_named_str(field, source, data.clone())
        .map_err(|error| problem(field, &error))?;
    let most = if field == "title" { MOST_TITLE } else { MOST_BODY };
    let length = text.trim().chars().count();
    let wrong = |what: String, help: &str| TemplateProblem { field, line: None, what, help: help.to_owned() };
    if length > most {
        let what = format!("it makes {length} characters, at most {most}");
        return Err(wrong(what, "list fewer items, such as `items[:10]`"));
    }
    if length == 0 && field == "title" {
        return Err(wrong("it makes nothing".to_owned(), "make at least one word for every message"));
    }
    Ok(text)
}

fn problem(field: &'static str, error: &minijinja::Error) -> TemplateProblem {
    let (what, help) = match error.kind() {
        ErrorKind::OutOfFuel => {
            ("it takes too long".to_owned(), "take out loops over loops and large ranges")
        }
        ErrorKind::TemplateNotFound | ErrorKind::BadInclude => {
            ("there is no other template to use".to_owned(), "write everything in this one")
        }
        ErrorKind::UndefinedError => (
            format!("a variable or a field is used that does not exist{}", detail(error)),
            "look at the list of variables in docs/channels.md",
        ),
        kind => (format!("{kind}{}", detail(error)), "correct the template; see docs/channels.md"),
    };
    TemplateProblem { field, line: error.line(), what, help: help.to_owned() }
}

fn detail(error: &minijinja::Error) -> String {
    let text: String =
        error.detail().unwrap_or_default().chars().filter(|c| !c.is_control()).take(200).collect();
    if text.is_empty() { text } else { format!(": {text}") }
}

/// Made-up messages: with everything known, with as little as possible, and of every event.
fn samples() -> Vec<Message> {
    let now = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_000);
    let mut messages: Vec<Message> = Event::ALL.into_iter().map(|event| sample(event, now)).collect();
    let mut bare = sample(Event::Message, now);
    bare.rule = None;
    bare.items.clear();
    messages.push(bare);
    let mut sparse = sample(Event::Resolved, now);
    for item in &mut sparse.items {
        item.alert = None;
        (item.tenant, item.service, item.subject) = (None, None, None);
        (item.since, item.expires_at, item.command) = (None, None, None);
    }
    messages.push(sparse);
    messages
}

fn notice(message: &Message, is_late: bool) -> Notice<'_> {
    let late_since = is_late.then_some(message.at);
    Notice { message, workspace: "sample", channel: "sample", late_since, environment: None }
}

#[cfg(test)]
mod tests;
