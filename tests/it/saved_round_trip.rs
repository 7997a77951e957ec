//! What is written into a plan file is what is read from it, whatever the plan: every sort of action, reason and origin.

use chrono::DateTime;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use synthex::kinds;
use synthex::model::{Digest, KindRef, Origin, Position, ResourceKey};
use synthex::plan::ignored::Left;
use synthex::plan::saved::{Binding, decode, encode};
use synthex::plan::{Action, ActionKind, FieldChange, Plan, Reason, Refusal, Suspect, guards};
use uuid::Uuid;

/// Texts that would break out of a file that is put together carelessly.
fn texts() -> impl Strategy<Value = String> {
    let nasty =
        [",\"checksum\":\"x\"}", ",\"changes\":[", "\n]", "\"", "\\", "a\u{2028}b\0", "Größe 🏪", "", "null"];
    prop_oneof![select(nasty.to_vec()).prop_map(str::to_owned), "[a-zA-Z0-9._-]{1,12}"]
}

fn kinds_of_rows() -> impl Strategy<Value = KindRef> {
    select(kinds::stored().collect::<Vec<_>>())
}

fn keys() -> impl Strategy<Value = ResourceKey> {
    (kinds_of_rows(), texts(), texts())
        .prop_map(|(kind, workspace, name)| ResourceKey::new(kind, workspace.into(), &name))
}

fn places() -> impl Strategy<Value = Position> {
    (texts(), any::<u32>(), any::<u32>()).prop_map(|(file, line, column)| Position {
        file: file.into(),
        line,
        column,
    })
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        texts().prop_map(Value::from),
        select(vec![json!(0.1), json!(1e300), json!(-0.0), json!(18_446_744_073_709_551_615_u64)]),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((texts(), inner), 0..3).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Canonical specs; never `null`, which no row has.
fn canonicals() -> impl Strategy<Value = Box<str>> {
    values().prop_map(|value| json!({"labels": {}, "spec": value}).to_string().into_boxed_str())
}

fn reasons() -> impl Strategy<Value = Reason> {
    let times = (0..4_000_000_000_i64, 0..1_000_000_000_u32)
        .prop_map(|(seconds, nanos)| DateTime::from_timestamp(seconds, nanos).expect("a time"));
    (0..13_u8, texts(), times, any::<i64>()).prop_map(|(which, text, at, to)| match which {
        0 => Reason::New,
        1 => Reason::Removed { actor: text, at },
        2 => Reason::Edited,
        3 => Reason::Drift { actor: text, at },
        4 => Reason::EditedAndDrift { actor: text, at },
        5 => Reason::DeclaredAgain,
        6 => Reason::Unowned,
        7 => Reason::OwnedByCommands,
        8 => Reason::Undeclared,
        9 => Reason::Moved { from: text.into() },
        10 => Reason::TakenOver { owner: text },
        11 => Reason::RolledBack { to },
        _ => Reason::Restored,
    })
}

fn origins() -> impl Strategy<Value = Origin> {
    prop_oneof![
        places().prop_map(Origin::Manifest),
        places().prop_map(Origin::Overlay),
        texts().prop_map(Origin::Template),
        texts().prop_map(Origin::Workspace),
        Just(Origin::Default),
    ]
}

fn changes() -> impl Strategy<Value = FieldChange> {
    (vec(texts(), 1..3), option::of(values()), option::of(values()), origins())
        .prop_map(|(path, before, after, origin)| FieldChange { path, before, after, origin })
}

fn actions() -> impl Strategy<Value = Action> {
    let what =
        (select(ActionKind::ALL.to_vec()), keys(), reasons(), option::of(places()), option::of(any::<i64>()));
    let left = (vec(texts(), 1..3), option::of(values())).prop_map(|(path, value)| Left { path, value });
    let specs = (option::of(canonicals()), option::of(canonicals()), vec(changes(), 0..3), vec(left, 0..3));
    let rest = (option::of(texts()), any::<bool>(), any::<bool>(), vec((kinds_of_rows(), 0..50_usize), 0..2));
    (what, specs, rest).prop_map(
        |(
            (kind, key, reason, position, revision),
            (before, after, changes, left),
            (from, protected, permanent, dependents),
        )| {
            let digest = after.as_ref().map(|after| Digest::of(after.as_bytes()));
            let from = from.filter(|from| !from.is_empty()).map(String::into_boxed_str);
            Action {
                kind,
                key,
                reason,
                position,
                revision,
                before,
                after,
                left,
                digest,
                protected,
                changes,
                from,
                permanent,
                dependents,
            }
        },
    )
}

fn refusals() -> impl Strategy<Value = Refusal> {
    let words = (texts(), texts(), option::of(places()), any::<bool>());
    (select(guards::CODES.to_vec()), option::of(keys()), words).prop_map(
        |(code, key, (message, help, position, can_be_acknowledged))| Refusal {
            code,
            key,
            message,
            help,
            position,
            can_be_acknowledged,
        },
    )
}

fn suspects() -> impl Strategy<Value = Suspect> {
    let tenant = kinds::find("Tenant").expect("a kind");
    (texts(), texts(), select(tenant.external_ids.to_vec()), texts()).prop_map(
        move |(from, to, field, value)| Suspect {
            from: ResourceKey::new(tenant, "w".into(), &from),
            to: ResourceKey::new(tenant, "w".into(), &to),
            field,
            value,
        },
    )
}

fn plans() -> impl Strategy<Value = Plan> {
    let head = (texts(), option::of(texts()), 0..1000_usize);
    let around = (vec(keys(), 0..3), vec(suspects(), 0..3), vec(keys(), 0..3), vec(refusals(), 0..3));
    let withheld = vec((select(ActionKind::ALL.to_vec()), 1..9_usize), 0..2);
    (head, vec(actions(), 0..4), around, withheld).prop_map(
        |(
            (project, environment, unchanged),
            actions,
            (undeclared, suspects, included, refusals),
            withheld,
        )| Plan {
            project,
            environment,
            actions,
            unchanged,
            undeclared,
            suspects,
            included,
            withheld,
            refusals,
        },
    )
}

fn bindings() -> impl Strategy<Value = Binding> {
    (
        option::of(any::<u128>()),
        option::of(texts()),
        texts(),
        0..4_000_000_000_000_000_i64,
        option::of(any::<i64>()),
    )
        .prop_map(|(installation, system, database, at, state_revision)| Binding {
            installation: installation.map(Uuid::from_u128),
            system: system.clone(),
            database,
            observed_at: DateTime::from_timestamp_micros(at).expect("a time"),
            state_revision,
            commit: system,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_what_is_read(plan in plans(), binding in bindings()) {
        let text = encode(&plan, &binding);
        let saved = decode(text.as_bytes()).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
        prop_assert_eq!(format!("{:#?}", saved.plan), format!("{:#?}", &plan));
        prop_assert_eq!(saved.plan.digest(), plan.digest());
        prop_assert_eq!(&saved.binding, &binding);
        prop_assert_eq!(encode(&saved.plan, &saved.binding), text);
    }

    #[test]
    fn no_byte_can_be_changed(plan in plans(), binding in bindings(), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let mut bytes = encode(&plan, &binding).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        prop_assert!(decode(&bytes).is_err(), "byte {at}, bit {bit}");
        bytes.truncate(at);
        prop_assert!(decode(&bytes).is_err(), "cut at {at}");
    }
}
