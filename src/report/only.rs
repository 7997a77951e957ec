//! Which actions of a plan are shown. What is left out is still counted: a view never changes what a plan says it does.

use crate::plan::{ActionKind, Plan};

/// The actions that are shown; all of them by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Only {
    /// One bit for each kind; none set means all.
    kinds: u8,
}

impl Only {
    /// These; none means all.
    #[must_use]
    pub fn kinds(kinds: &[ActionKind]) -> Self {
        Self { kinds: kinds.iter().fold(0, |bits, kind| bits | bit(*kind)) }
    }

    /// Whether actions of a kind are shown.
    #[must_use]
    pub const fn shows(self, kind: ActionKind) -> bool {
        self.kinds == 0 || self.kinds & bit(kind) != 0
    }

    /// What is not shown, in words: `3 updates and 1 delete are not shown because of --only create`.
    #[must_use]
    pub fn words(self, plan: &Plan) -> Option<String> {
        let mut hidden = Vec::new();
        let mut total = 0;
        for kind in ActionKind::ALL.into_iter().filter(|kind| !self.shows(*kind)) {
            let count = plan.actions.iter().filter(|action| action.kind == kind).count();
            if count > 0 {
                hidden.push(counted(count, kind.code()));
                total += count;
            }
        }
        let shown: Vec<&str> =
            ActionKind::ALL.into_iter().filter(|kind| self.shows(*kind)).map(ActionKind::code).collect();
        let verb = if total == 1 { "is" } else { "are" };
        (total > 0)
            .then(|| format!("{} {verb} not shown because of `--only {}`", list(&hidden), shown.join(",")))
    }
}

const fn bit(kind: ActionKind) -> u8 {
    1 << kind as u8
}

/// `1 update`, `2 updates`.
#[must_use]
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::everything;

    #[test]
    fn what_is_not_shown_is_counted() {
        assert_eq!(Only::default().words(&everything()), None);
        let only = Only::kinds(&[ActionKind::Delete, ActionKind::Update]);
        assert!(
            only.shows(ActionKind::Delete)
                && only.shows(ActionKind::Update)
                && !only.shows(ActionKind::Create)
        );
        assert_eq!(
            only.words(&everything()).as_deref(),
            Some("2 creates, 1 restore and 1 adopt are not shown because of `--only update,delete`")
        );
        let all_but_one: Vec<_> =
            ActionKind::ALL.into_iter().filter(|kind| *kind != ActionKind::Adopt).collect();
        assert!(Only::kinds(&all_but_one).words(&everything()).unwrap().starts_with("1 adopt is not shown"));
    }
}
