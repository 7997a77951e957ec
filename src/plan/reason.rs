//! Why an action is planned.

use std::fmt;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// Why an action is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Declared, and not in the database.
    New,
    /// Declared, and removed from the database by something else.
    Removed {
        /// The database role.
        actor: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// What is declared changed since it was last applied.
    Edited,
    /// The row was changed by something else; what is declared is as it was last applied.
    Drift {
        /// The database role.
        actor: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// Both: what is declared changed, and the row was changed by something else.
    EditedAndDrift {
        /// The database role.
        actor: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// Declared again after it was deleted.
    DeclaredAgain,
    /// The row is there and belongs to nobody.
    Unowned,
    /// The row is there and was made by a command.
    OwnedByCommands,
    /// No longer declared.
    Undeclared,
    /// The project file says that it got another name.
    Moved {
        /// The former name.
        from: Box<str>,
    },
    /// It belongs to another project, and the user said to take it over.
    TakenOver {
        /// That project.
        owner: String,
    },
    /// It goes back to what it was.
    RolledBack {
        /// The revision whose state comes back.
        to: i64,
    },
    /// A person asked for it to live again.
    Restored,
    /// A command was asked to do it.
    Asked,
}

impl Reason {
    /// A stable word for it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Removed { .. } => "removed",
            Self::Edited => "edited",
            Self::Drift { .. } => "drift",
            Self::EditedAndDrift { .. } => "edited-and-drift",
            Self::DeclaredAgain => "declared-again",
            Self::Unowned => "unowned",
            Self::OwnedByCommands => "owned-by-commands",
            Self::Undeclared => "undeclared",
            Self::Moved { .. } => "moved",
            Self::TakenOver { .. } => "taken-over",
            Self::RolledBack { .. } => "rolled-back",
            Self::Restored => "restored",
            Self::Asked => "asked",
        }
    }

    /// The role and time of a change that was not synthex's.
    #[must_use]
    pub fn actor(&self) -> Option<(&str, DateTime<Utc>)> {
        match self {
            Self::Removed { actor, at } | Self::Drift { actor, at } | Self::EditedAndDrift { actor, at } => {
                Some((actor, *at))
            }
            _ => None,
        }
    }

    /// As a saved plan has it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = json!({"code": self.code()});
        if let Some((actor, at)) = self.actor() {
            json["actor"] = json!(actor);
            json["at"] = json!(at);
        }
        match self {
            Self::Moved { from } => json["from"] = json!(from),
            Self::TakenOver { owner } => json["owner"] = json!(owner),
            Self::RolledBack { to } => json["to"] = json!(to),
            _ => {}
        }
        json
    }

    /// The reason that a saved plan has.
    #[must_use]
    pub fn of_json(json: &Value) -> Option<Self> {
        let text = |name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
        let actor = || text("actor");
        let at = || json.get("at").and_then(|at| serde_json::from_value::<DateTime<Utc>>(at.clone()).ok());
        Some(match text("code")?.as_str() {
            "new" => Self::New,
            "removed" => Self::Removed { actor: actor()?, at: at()? },
            "edited" => Self::Edited,
            "drift" => Self::Drift { actor: actor()?, at: at()? },
            "edited-and-drift" => Self::EditedAndDrift { actor: actor()?, at: at()? },
            "declared-again" => Self::DeclaredAgain,
            "unowned" => Self::Unowned,
            "owned-by-commands" => Self::OwnedByCommands,
            "undeclared" => Self::Undeclared,
            "moved" => Self::Moved { from: text("from")?.into() },
            "taken-over" => Self::TakenOver { owner: text("owner")? },
            "asked" => Self::Asked,
            "rolled-back" => Self::RolledBack { to: json.get("to")?.as_i64()? },
            "restored" => Self::Restored,
            _ => return None,
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = |at: &DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
        match self {
            Self::New => f.write_str("declared, not in the database"),
            Self::Removed { actor, at } => {
                write!(f, "removed from the database by role {actor} at {}", when(at))
            }
            Self::Edited => f.write_str("the declaration changed"),
            Self::Drift { actor, at } => {
                write!(f, "drift: changed in the database by role {actor} at {}", when(at))
            }
            Self::EditedAndDrift { actor, at } => {
                write!(
                    f,
                    "the declaration changed, and drift: changed in the database by role {actor} at {}",
                    when(at)
                )
            }
            Self::DeclaredAgain => f.write_str("declared again after it was deleted"),
            Self::Unowned => f.write_str("in the database, owned by nobody"),
            Self::OwnedByCommands => f.write_str("in the database, made by a command"),
            Self::Undeclared => f.write_str("no longer declared"),
            Self::Moved { from } => write!(f, "renamed from {from}"),
            Self::TakenOver { owner } => write!(f, "taken over from project {owner}"),
            Self::RolledBack { to } => write!(f, "back to what it was at revision {to}"),
            Self::Restored => f.write_str("restored on request"),
            Self::Asked => f.write_str("asked for by a command"),
        }
    }
}
