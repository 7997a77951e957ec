//! Where a field of a spec stands in a row: which column, and where within it.

use crate::model::{KindRef, SqlType};

/// The column that holds a field, and the steps within it. The path is a plan's: `labels`, KEY; `owner`; or the steps of a
/// field of the spec.
#[must_use]
pub fn column_of(kind: KindRef, path: &[String]) -> Option<(&'static str, &[String])> {
    if let Some(name) = common(path) {
        return Some((name, if name == "labels" { &path[1..] } else { &[] }));
    }
    kind.columns().iter().find_map(|column| {
        let steps: Vec<&str> = column.path.split('.').collect();
        let fits = path.len() >= steps.len() && steps.iter().zip(path).all(|(step, part)| step == part);
        let rest = if column.sql == SqlType::Json { path.get(steps.len()..)? } else { &[] };
        fits.then_some((column.name, rest))
    })
}

/// The places that hold a field and all that is below it: for each the column, and the steps within it.
#[must_use]
pub fn places_of(kind: KindRef, path: &[String]) -> Vec<Vec<String>> {
    if let Some((column, rest)) = column_of(kind, path) {
        return vec![[&[column.to_owned()], rest].concat()];
    }
    let below = kind.columns().iter().filter(|column| {
        let mut steps = column.path.split('.');
        path.iter().all(|part| steps.next() == Some(part))
    });
    below.map(|column| vec![column.name.to_owned()]).collect()
}

/// The columns that every kind has.
fn common(path: &[String]) -> Option<&'static str> {
    match path.first()?.as_str() {
        "labels" => Some("labels"),
        "owner" => Some("owner"),
        "protect" => Some("protected"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;

    #[track_caller]
    fn check(kind: &str, path: &str, expected: &[&str]) {
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        let found = places_of(kinds::find(kind).unwrap(), &path);
        assert_eq!(found.iter().map(|place| place.join(".")).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_field_stands_in_a_column_in_part_of_one_or_in_several() {
        check("Tenant", "displayName", &["display_name"]);
        check("Tenant", "metadata.notes.x", &["metadata.notes.x"]);
        check("Tenant", "metadata", &["metadata"]);
        check("Tenant", "contact", &["contact_email", "contact_phone"]);
        check("Tenant", "contact.email", &["contact_email"]);
        check("Tenant", "labels.tier", &["labels.tier"]);
        check("Tenant", "nothing", &[]);
        check("AlertRule", "when.credentialExpiry", &["condition.credentialExpiry"]);
    }
}
