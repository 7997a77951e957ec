//! What is declared against what is in the rows. This is what a large plan takes its time for, and each row stands for
//! itself, so it is done on several threads; what it comes to does not depend on how many.

use serde_json::Value;

use crate::model::{Digest, Entry, Sources};

use super::action::{Action, ActionKind, FieldChange, Reason};
use super::desired::{COMMAND_OWNER, Cause, Desired};
use super::diff::differences;
use super::ignored;
use super::observed::{Head, Row};

/// A declared resource and its row, which may differ.
#[derive(Clone, Copy)]
pub(super) struct Both<'a> {
    pub entry: &'a Entry,
    pub head: &'a Head,
    pub row: Option<&'a Row>,
    /// The former name, of what is renamed.
    pub former: Option<&'a str>,
}

/// The action for each of them, in their order; `None` where the difference means nothing.
pub(super) fn change_all(
    desired: &Desired<'_>,
    all: &[Both<'_>],
    sources: &mut dyn Sources,
) -> Vec<Option<Action>> {
    /// With fewer for each, threads cost more than they bring.
    const WORTH_A_THREAD: usize = 256;
    let change = |part: &[Both<'_>], sources: &mut dyn Sources| -> Vec<Option<Action>> {
        part.iter().map(|both| change(desired, both, sources)).collect()
    };
    let size = all.len().div_ceil(desired.threads.max(1)).max(WORTH_A_THREAD);
    let parts: Vec<_> = all.chunks(size).map(|part| Some((part, sources.another()?))).collect();
    let Some(parts) = parts.into_iter().collect::<Option<Vec<_>>>().filter(|parts| parts.len() > 1) else {
        return change(all, sources);
    };
    let done: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = parts
            .into_iter()
            .map(|(part, mut sources)| (part, scope.spawn(move || change(part, &mut *sources))))
            .collect();
        threads.into_iter().map(|(part, thread)| (part, thread.join().ok())).collect()
    });
    // What a thread did not finish is done here, and says here why it could not be.
    done.into_iter().flat_map(|(part, done)| done.unwrap_or_else(|| change(part, sources))).collect()
}

/// The action for a row that differs in some way; `None` when the difference means nothing: the row was written by
/// something else, but says what is declared.
fn change(desired: &Desired<'_>, both: &Both<'_>, sources: &mut dyn Sources) -> Option<Action> {
    let Both { entry, head, row, former } = *both;
    let empty = Value::Null;
    let before = row.map_or(&empty, |row| &row.canonical);
    let ignored::Outcome { written, declared, left, only_left_differs } =
        ignored::apply(desired.ignores, entry, head, before);
    let (canonical, digest) = declared.unwrap_or_else(|| (entry.canonical.clone(), entry.digest));
    let changes: Vec<FieldChange> = differences(before, &written)
        .into_iter()
        .map(|(path, before, after)| {
            let origin = sources.origin(entry, &path);
            FieldChange { path, before, after, origin }
        })
        .collect();
    let touched = row.and_then(|row| row.touched_by.clone().zip(row.touched_at));
    // What somebody else looks after is no reason for what is done to the rest.
    let touched = touched.filter(|_| head.deleted || !only_left_differs);
    let (kind, reason) = why(desired, head, digest, touched, former, !changes.is_empty())?;
    Some(Action {
        kind,
        key: entry.key.clone(),
        reason,
        position: Some(sources.declared_at(entry)),
        revision: Some(head.revision),
        before: Some(before.to_string().into_boxed_str()),
        after: Some(canonical),
        left,
        digest: Some(digest),
        protected: head.protected || entry.protect,
        changes,
        from: former.map(Into::into),
        permanent: false,
        dependents: Vec::new(),
    })
}

/// What is done to a row that differs in some way, and why; `None` when nothing is to be done.
fn why(
    desired: &Desired<'_>,
    head: &Head,
    digest: Digest,
    touched: Option<(String, chrono::DateTime<chrono::Utc>)>,
    former: Option<&str>,
    differs: bool,
) -> Option<(ActionKind, Reason)> {
    // A command that was let change what is somebody else's does not take it over.
    let ours = head.owner.as_deref() == Some(desired.project)
        || desired.cause == Cause::Command && head.owner.is_some();
    if let Some(from) = former {
        return Some((ActionKind::Rename, Reason::Moved { from: from.into() }));
    }
    if head.deleted {
        let reason = match (desired.cause, touched) {
            (Cause::Rollback(to), _) => Reason::RolledBack { to },
            (Cause::Restore, _) => Reason::Restored,
            (Cause::Command, _) => Reason::Asked,
            (Cause::Manifests, Some((actor, at))) => Reason::Removed { actor, at },
            (Cause::Manifests, None) => Reason::DeclaredAgain,
        };
        return Some((ActionKind::Restore, reason));
    }
    if !ours {
        let reason = match head.owner.as_deref() {
            None => Reason::Unowned,
            Some(COMMAND_OWNER) => Reason::OwnedByCommands,
            Some(owner) => Reason::TakenOver { owner: owner.to_owned() },
        };
        return Some((ActionKind::Adopt, reason));
    }
    let reason = match (desired.cause, touched) {
        _ if !differs => return None,
        (Cause::Rollback(to), _) => Reason::RolledBack { to },
        (Cause::Command, _) => Reason::Asked,
        (_, Some((actor, at))) if head.digest == Some(digest) => Reason::Drift { actor, at },
        (_, Some((actor, at))) => Reason::EditedAndDrift { actor, at },
        (_, None) => Reason::Edited,
    };
    Some((ActionKind::Update, reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;
    use crate::model::{FileId, Origin, Position, ResourceKey, SourceRef};
    use crate::plan::{Observed, plan};
    use serde_json::json;

    /// Knows a place for each resource, and can be had several times.
    struct Places;

    impl Sources for Places {
        fn declared_at(&mut self, entry: &Entry) -> Position {
            Position::start_of(&entry.key.name)
        }

        fn origin(&mut self, entry: &Entry, path: &[String]) -> Origin {
            Origin::Template(format!("{}.{}", entry.key.name, path.join(".")))
        }

        fn another(&self) -> Option<Box<dyn Sources + Send + '_>> {
            Some(Box::new(Self))
        }
    }

    #[test]
    fn the_plan_is_the_same_on_any_number_of_threads() {
        let mut entries = Vec::new();
        let mut observed = Observed::default();
        for number in 0..1_500_i64 {
            let key = ResourceKey::new(kinds::find("Tenant").unwrap(), "w".into(), &format!("T{number:04}"));
            let spec = json!({"displayName": format!("{number}"), "market": if number % 7 == 0 { "A" } else { "B" }});
            let canonical = json!({"labels": {}, "spec": spec}).to_string();
            let digest = Digest::of(canonical.as_bytes());
            let source = SourceRef { file: FileId(0), start: 0, end: 0, row: None };
            // Some are new, some were touched and are as declared all the same.
            if number % 5 != 0 {
                let head = Head {
                    key: key.clone(),
                    digest: Some(Digest::of(b"")),
                    revision: number,
                    owner: Some("p".into()),
                    touched: number % 3 == 0,
                    deleted: false,
                    protected: false,
                };
                let row = Row {
                    key: key.clone(),
                    canonical: json!({"labels": {}, "spec": {"displayName": format!("{number}"), "market": "B"}}),
                    owner: Some("p".to_owned()),
                    deleted: false,
                    touched_at: None,
                    touched_by: None,
                };
                observed.heads.push(head);
                observed.rows.insert(key.clone(), row);
            }
            entries.push(Entry { key, digest, canonical: canonical.into(), protect: false, source });
        }
        let on = |threads| plan(&Desired { threads, ..Desired::new("p", &entries) }, &observed, &mut Places);
        let one = on(1);
        assert_eq!((one.summary().create, one.summary().update, one.unchanged), (300, 172, 1_028));
        for threads in [2, 3, 64] {
            let many = on(threads);
            assert_eq!((many.digest(), many.summary()), (one.digest(), one.summary()));
            assert_eq!(format!("{:?}", many.actions), format!("{:?}", one.actions), "{threads}");
        }
    }
}
