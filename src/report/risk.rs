//! How close a look an action deserves, and the order that follows from it: the same in JSON and in Markdown.

use crate::plan::{Action, ActionKind};

/// What deserves a look, the closest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// Deletes something protected.
    Critical,
    /// Deletes.
    High,
    /// Changes what is there.
    Medium,
    /// Creates.
    Low,
}

impl Risk {
    /// The risk of an action.
    #[must_use]
    pub const fn of(action: &Action) -> Self {
        match action.kind {
            ActionKind::Delete if action.protected => Self::Critical,
            ActionKind::Delete => Self::High,
            ActionKind::Update | ActionKind::Rename | ActionKind::Restore | ActionKind::Adopt => Self::Medium,
            ActionKind::Create => Self::Low,
        }
    }

    /// A stable word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// By risk, then kind, workspace and name.
#[must_use]
pub fn order(action: &Action) -> (Risk, &str, &str, &str) {
    (Risk::of(action), action.key.kind.name, &action.key.workspace, &action.key.name)
}

/// The actions of a plan in that order.
#[must_use]
pub fn sorted(actions: &[Action]) -> Vec<&Action> {
    let mut sorted: Vec<&Action> = actions.iter().collect();
    sorted.sort_by(|left, right| order(left).cmp(&order(right)));
    sorted
}
