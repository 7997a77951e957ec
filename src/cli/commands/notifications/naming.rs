//! What people name: notifications, deliveries and items by their ids or the beginnings of them, channels and recipients by
//! their names. What is not there is said, with what was meant perhaps; nothing outside of the workspace is there.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::cli::desk::some;
use crate::cli::error::CliError;
use crate::cli::outbox::Post;
use crate::engine::delivery::channel::targets;
use crate::kinds::notification_channel::{self, ChannelType, NotificationChannelSpec};
use crate::model::diagnostic::did_you_mean;
use crate::report::clean::clean;
use crate::store::outbox::{IdOf, Identified, InboxWish, ListedNotification, NotificationWish};
use crate::store::{self, Listed};

use super::shown;

/// How many of the things that an id could mean are listed.
const CANDIDATES: i64 = 5;

/// How many names are listed where none is like the one that was given.
const NAMES: usize = 10;

/// An id, or the beginning of one.
#[derive(Clone, Debug)]
pub struct IdStart {
    text: String,
    first: Uuid,
    last: Uuid,
}

impl std::fmt::Display for IdStart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads an id, or the beginning of one.
///
/// # Errors
/// It can be neither.
pub(super) fn id(text: &str) -> Result<IdStart, String> {
    let text = text.trim().to_lowercase();
    let digits: String = text.chars().filter(|character| *character != '-').collect();
    let is_id = (4..=32).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bound = |fill: &str| Uuid::parse_str(&format!("{digits}{}", fill.repeat(32 - digits.len())));
    match (is_id, text.len() <= 36) {
        (true, true) => {
            let wrong = |error: uuid::Error| error.to_string();
            Ok(IdStart { first: bound("0").map_err(wrong)?, last: bound("f").map_err(wrong)?, text })
        }
        _ => Err("write an id as `synthex notify list` shows it, or at least its first four characters \
                  (0 to 9, a to f)"
            .to_owned()),
    }
}

/// The workspace that is looked into, where it is one.
fn workspace(post: &Post) -> Option<&str> {
    match post.scopes.as_slice() {
        [Some(one)] => Some(one),
        _ => None,
    }
}

async fn meant(
    post: &mut Post,
    of: IdOf,
    start: &IdStart,
    recipient: Option<&str>,
) -> Result<Option<Identified>, CliError> {
    let mut found = Vec::new();
    for scope in post.scopes.clone() {
        let between = (start.first, start.last);
        let own = post.connection.identified(scope.as_deref(), of, between, recipient, CANDIDATES).await?;
        found.extend(own);
    }
    if found.len() > 1 {
        return Err(ambiguous(start, &found));
    }
    Ok(found.pop())
}

fn ambiguous(start: &IdStart, found: &[Identified]) -> CliError {
    let mut error = CliError::usage(format!("more than one id begins with {start}"))
        .help("write more of it; `synthex notify list` shows notifications with their ids");
    error.also = found.iter().map(|one| format!("{} {}", one.id, clean(&short(&one.what, 60)))).collect();
    error
}

/// The notification with that id.
pub(super) async fn notification(post: &mut Post, start: &IdStart) -> Result<Uuid, CliError> {
    let found = meant(post, IdOf::Notification, start, None).await?;
    found.map(|found| found.id).ok_or_else(|| unknown(post, "no notification", start))
}

/// The delivery with that id.
pub(super) async fn delivery(post: &mut Post, start: &IdStart) -> Result<Uuid, CliError> {
    let found = meant(post, IdOf::Delivery, start, None).await?;
    found.map(|found| found.id).ok_or_else(|| unknown(post, "no delivery", start))
}

/// The notification with that id, or the one that a delivery with it is of; and whether a delivery is meant, which.
pub(super) async fn either(
    post: &mut Post,
    start: &IdStart,
) -> Result<(ListedNotification, Option<Uuid>), CliError> {
    let (id, delivery) = match meant(post, IdOf::Notification, start, None).await? {
        Some(found) => (found.id, None),
        None => match meant(post, IdOf::Delivery, start, None).await? {
            Some(found) => (found.notification, Some(found.id)),
            None => return Err(unknown(post, "no notification and no delivery", start)),
        },
    };
    let found = shown::by_ids(post, &[id]).await?.pop();
    Ok((found.ok_or_else(|| unknown(post, "no notification", start))?, delivery))
}

/// The item of an inbox with that id.
pub(super) async fn item(
    post: &mut Post,
    start: &IdStart,
    recipient: Option<&str>,
) -> Result<Uuid, CliError> {
    if let Some(found) = meant(post, IdOf::InboxItem, start, recipient).await? {
        return Ok(found.id);
    }
    let whose = recipient.map_or(String::new(), |name| format!(" of {name}"));
    let place = workspace(post).map_or(String::new(), |name| format!(" in workspace `{name}`"));
    Err(CliError::usage(format!("the inbox{whose} has no item {start}{place}"))
        .help("`synthex notify inbox` shows the items with their ids; nothing was marked"))
}

fn unknown(post: &Post, what: &str, start: &IdStart) -> CliError {
    let why = match workspace(post) {
        Some(name) => format!("none of workspace `{name}` has an id that is, or begins with, this"),
        None => "none has an id that is, or begins with, this; or it is of a workspace that this role does not see"
            .to_owned(),
    };
    CliError::usage(format!("there is {what} {start}"))
        .why(why)
        .help("`synthex notify list` shows notifications with their ids")
}

/// The channels of the workspaces that are looked into.
async fn channels(post: &mut Post) -> Result<Vec<Listed>, CliError> {
    let mut all = Vec::new();
    for scope in post.scopes.clone() {
        let kind = &notification_channel::KIND;
        all.append(&mut store::list(&mut post.connection, kind, scope.as_deref()).await?);
    }
    Ok(all)
}

/// Refuses a name that no channel has, and had when something went through it.
pub(super) async fn must_be_channel(post: &mut Post, name: &str) -> Result<(), CliError> {
    let known = channels(post).await?;
    if known.iter().any(|row| *row.key.name == *name) {
        return Ok(());
    }
    for scope in post.scopes.clone() {
        let wish = NotificationWish {
            workspace: scope.clone(),
            channel: Some(name.to_owned()),
            limit: Some(1),
            ..NotificationWish::default()
        };
        if !post.connection.notifications(scope.as_deref(), &wish).await?.is_empty() {
            return Ok(());
        }
    }
    Err(no_channels(post, &[name], &known).await?)
}

/// The channels with these names, each once.
pub(super) async fn chosen(post: &mut Post, names: &[String]) -> Result<Vec<Listed>, CliError> {
    if names.iter().any(|name| name.trim().is_empty()) {
        return Err(CliError::usage("`--channel` has an empty name")
            .help("write the names of channels with a comma between two: --channel ops-slack,ops-mail"));
    }
    let known = channels(post).await?;
    let mut chosen: Vec<Listed> = Vec::new();
    let mut missing: Vec<&str> = Vec::new();
    for name in names.iter().map(|name| name.trim()) {
        if chosen.iter().any(|row| *row.key.name == *name) || missing.contains(&name) {
            continue;
        }
        match known.iter().find(|row| *row.key.name == *name) {
            Some(row) => chosen.push(row.clone()),
            None => missing.push(name),
        }
    }
    if missing.is_empty() {
        return Ok(chosen);
    }
    Err(no_channels(post, &missing, &known).await?)
}

/// The error that says which names no channel has; all of them.
async fn no_channels(post: &mut Post, missing: &[&str], known: &[Listed]) -> Result<CliError, CliError> {
    let elsewhere = match workspace(post) {
        Some(_) => store::list(&mut post.connection, &notification_channel::KIND, None).await?,
        None => Vec::new(),
    };
    let place = workspace(post).map_or(String::new(), |name| format!(" in workspace `{name}`"));
    let names = || known.iter().map(|row| &*row.key.name);
    let help = |name: &str| {
        let there = elsewhere.iter().find(|row| *row.key.name == *name).map(|row| &*row.key.workspace);
        match (there, did_you_mean(name, names())) {
            (Some(there), _) => format!("workspace `{there}` has one: --workspace {there}"),
            (None, Some(near)) => format!("did you mean `{near}`?"),
            (None, None) if known.is_empty() => "declare a NotificationChannel and apply it".to_owned(),
            (None, None) if known.len() <= NAMES => {
                format!("the channels are {}", some(names().collect::<Vec<_>>().into_iter()))
            }
            (None, None) => "`synthex channels list` shows the channels".to_owned(),
        }
    };
    let mut sentences =
        missing.iter().map(|name| (format!("there is no channel `{name}`{place}"), help(name)));
    let (what, first) = sentences.next().unwrap_or_default();
    let mut error = CliError::usage(what).help(first);
    error.also = sentences.map(|(what, help)| format!("{what}; {help}")).collect();
    Ok(error)
}

/// Refuses a recipient whose inbox no channel fills, and none did.
pub(super) async fn must_be_recipient(post: &mut Post, name: &str) -> Result<(), CliError> {
    let mut known: BTreeSet<String> = BTreeSet::new();
    for row in channels(post).await? {
        let spec = serde_json::from_value::<NotificationChannelSpec>(row.canonical["spec"].clone());
        if let Some(spec) = spec.ok().filter(|spec| spec.channel_type == ChannelType::InApp) {
            known.extend(targets(&spec).into_iter().filter(|target| !target.is_empty()));
        }
    }
    if known.contains(name) {
        return Ok(());
    }
    for scope in post.scopes.clone() {
        let wish = InboxWish {
            workspace: scope.clone(),
            recipient: Some(name.to_owned()),
            states: vec!["unread", "read", "archived"],
            limit: Some(1),
        };
        if !post.connection.inbox(scope.as_deref(), &wish).await?.is_empty() {
            return Ok(());
        }
    }
    let help = match did_you_mean(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => {
            "no channel of type in-app names recipients: leave --recipient out".to_owned()
        }
        None => format!("the recipients are {}", some(known.iter())),
    };
    Err(CliError::usage(format!("nobody has an inbox by the name `{name}`")).help(help))
}

/// The start of a text, at most that many characters, with a sign where it was cut.
pub(super) fn short(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_an_id_is_everything_that_begins_like_it() {
        let start = id("01A2-").unwrap();
        assert_eq!(start.first.to_string(), "01a20000-0000-0000-0000-000000000000");
        assert_eq!(start.last.to_string(), "01a2ffff-ffff-ffff-ffff-ffffffffffff");
        let whole = "019ac3f0-7d2e-7c11-9a55-0d8f3b6a1c42";
        let start = id(whole).unwrap();
        assert_eq!((start.first.to_string().as_str(), start.last), (whole, start.first));
        for wrong in ["", "xyz", "01a", "01a2g", &format!("{whole}0")] {
            assert!(id(wrong).unwrap_err().contains("first four"), "{wrong}");
        }
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(short("abc", 3), "abc");
        assert_eq!(short("abcd", 3), "ab…");
    }
}
