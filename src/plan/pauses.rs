//! Workspaces that are left alone for a while. Two sources say so, the database and the project file, and who asks whether a
//! workspace is paused must not have to know which.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::kinds::project::DeclaredPause;

/// A pause as the database has it, of those that have not ended by its clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PauseRow {
    /// The workspace.
    pub workspace: String,
    /// Why.
    pub reason: String,
    /// Who said so.
    pub actor: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when; `None` until somebody resumes it.
    pub until: Option<DateTime<Utc>>,
}

/// That a workspace is paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Why.
    pub reason: String,
    /// Who said so; of a pause in the project file, that file.
    pub who: String,
    /// Since when; nobody knows it of a pause in the project file.
    pub since: Option<DateTime<Utc>>,
    /// Until when; `None` until somebody resumes it.
    pub until: Option<DateTime<Utc>>,
    /// Whether the project file says so, and `resume` does not end it.
    pub declared: bool,
}

/// Who paused a workspace that the project file pauses.
pub const PROJECT_FILE: &str = "the project file";

/// The workspaces that are paused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pauses(BTreeMap<String, Pause>);

impl Pauses {
    /// What both sources say. Where both pause a workspace, the pause counts that lasts longer. Rows are taken as they are: by
    /// the clock of the database they have not ended. What is declared has ended or not by `now`.
    #[must_use]
    pub fn of(
        rows: impl IntoIterator<Item = PauseRow>,
        declared: &[DeclaredPause],
        now: DateTime<Utc>,
    ) -> Self {
        let mut pauses = Self::default();
        for PauseRow { workspace, reason, actor, since, until } in rows {
            let pause = Pause { reason, who: actor, since: Some(since), until, declared: false };
            pauses.add(workspace, pause);
        }
        for one in declared {
            let Some(until) = one.until.instant().filter(|until| *until > now) else { continue };
            let pause = Pause {
                reason: one.reason.clone(),
                who: PROJECT_FILE.to_owned(),
                since: None,
                until: Some(until),
                declared: true,
            };
            pauses.add(one.workspace.clone(), pause);
        }
        pauses
    }

    fn add(&mut self, workspace: String, pause: Pause) {
        let ends = |pause: &Pause| pause.until.unwrap_or(DateTime::<Utc>::MAX_UTC);
        match self.0.get(&workspace) {
            Some(other) if ends(other) >= ends(&pause) => {}
            _ => drop(self.0.insert(workspace, pause)),
        }
    }

    /// How a workspace is paused; `None` where it is not.
    #[must_use]
    pub fn get(&self, workspace: &str) -> Option<&Pause> {
        self.0.get(workspace)
    }

    /// All of them, by workspace.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Pause)> {
        self.0.iter().map(|(workspace, pause)| (workspace.as_str(), pause))
    }

    /// When the next of them ends.
    #[must_use]
    pub fn next_end(&self) -> Option<DateTime<Utc>> {
        self.0.values().filter_map(|pause| pause.until).min()
    }

    /// Whether none is paused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn row(workspace: &str, until: Option<&str>) -> PauseRow {
        PauseRow {
            workspace: workspace.to_owned(),
            reason: "INC-12".to_owned(),
            actor: "eva@box".to_owned(),
            since: time("2026-11-30T09:00:00Z"),
            until: until.map(time),
        }
    }

    fn declared(workspace: &str, until: &str) -> DeclaredPause {
        let value = serde_json::json!({"workspace": workspace, "reason": "a move", "until": until});
        serde_json::from_value(value).unwrap()
    }

    /// Who paused `w`, and until when.
    #[track_caller]
    fn check(rows: Vec<PauseRow>, declared: &[DeclaredPause], expected: Option<(&str, Option<&str>)>) {
        let pauses = Pauses::of(rows, declared, time("2026-11-30T10:00:00Z"));
        let found = pauses.get("w").map(|pause| (pause.who.as_str(), pause.until));
        assert_eq!(found, expected.map(|(who, until)| (who, until.map(time))));
    }

    #[test]
    fn of_two_sources_the_one_that_lasts_longer_counts() {
        let noon = "2026-11-30T12:00:00Z";
        check(vec![], &[], None);
        check(vec![row("v", None)], &[declared("u", "2026-12-31")], None);
        check(vec![row("w", Some(noon))], &[], Some(("eva@box", Some(noon))));
        let new_year = Some(("the project file", Some("2026-12-31T00:00:00Z")));
        check(vec![], &[declared("w", "2026-12-31")], new_year);
        check(vec![row("w", Some(noon))], &[declared("w", "2026-12-31")], new_year);
        check(vec![row("w", None)], &[declared("w", "2026-12-31")], Some(("eva@box", None)));
        check(vec![], &[declared("w", "2026-12-31"), declared("w", "2026-12-01")], new_year);
        // It has ended, the row has not.
        check(vec![row("w", Some(noon))], &[declared("w", "2026-11-30")], Some(("eva@box", Some(noon))));
        check(vec![], &[declared("w", "2026-11-30T10:00:00Z")], None);
    }

    #[test]
    fn the_next_end_is_the_first_of_those_that_have_one() {
        let now = time("2026-11-30T10:00:00Z");
        let rows = vec![row("a", None), row("b", Some("2026-11-30T13:00:00Z"))];
        let pauses = Pauses::of(rows, &[declared("c", "2026-12-01")], now);
        assert_eq!(pauses.next_end(), Some(time("2026-11-30T13:00:00Z")));
        assert_eq!(pauses.iter().map(|(name, _)| name).collect::<String>(), "abc");
        assert!(Pauses::default().is_empty() && Pauses::default().next_end().is_none());
    }
}
