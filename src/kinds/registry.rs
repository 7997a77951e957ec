//! The one explicit list of kinds, in dependency order: what is referred to comes before what refers to it.

use crate::model::{Kind, KindRef};

use super::{
    alert_rule, alert_test, credential, health_check, maintenance_window, notification_channel, patch,
    project, silence, tenant, tenant_set, tenant_template, workspace,
};

/// Every kind; a kind's rank is its index here.
pub static KINDS: [KindRef; COUNT] = [
    &project::KIND,
    &workspace::KIND,
    &tenant_template::KIND,
    &tenant_set::KIND,
    &tenant::KIND,
    &credential::KIND,
    &notification_channel::KIND,
    &alert_rule::KIND,
    &silence::KIND,
    &maintenance_window::KIND,
    &health_check::KIND,
    &alert_test::KIND,
    &patch::KIND,
];

/// How many kinds there are.
pub const COUNT: usize = 13;

/// The kinds that have a table, in dependency order.
pub fn stored() -> impl DoubleEndedIterator<Item = KindRef> {
    KINDS.iter().copied().filter(|kind| kind.table.is_some())
}

/// The kind with this manifest name, such as `Tenant`.
#[must_use]
pub fn find(name: &str) -> Option<KindRef> {
    KINDS.iter().copied().find(|kind| kind.name == name)
}

/// The kind that a person means on a command line: `tenant`, `Tenant`, `tenants`, `alert_rules`.
#[must_use]
pub fn find_slug(word: &str) -> Option<KindRef> {
    let squeeze = |text: &str| text.to_lowercase().replace(['-', '_'], "");
    let wanted = squeeze(word);
    KINDS.iter().copied().find(|kind: &&'static Kind| {
        squeeze(kind.name) == wanted
            || squeeze(kind.slug) == wanted
            || kind.table.as_ref().is_some_and(|table| squeeze(table.name) == wanted)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_positions() {
        for (index, kind) in KINDS.iter().enumerate() {
            assert_eq!(usize::from(kind.rank), index, "{}", kind.name);
        }
    }

    #[test]
    fn columns_are_distinct_and_snake_case() {
        for kind in stored() {
            let mut names: Vec<_> = kind.columns().iter().map(|column| column.name).collect();
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count, "{}", kind.name);
            assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
        }
    }

    #[test]
    fn a_word_from_the_command_line_finds_its_kind() {
        assert_eq!(find_slug("tenants").map(|kind| kind.name), Some("Tenant"));
        assert_eq!(find_slug("template").map(|kind| kind.name), Some("TenantTemplate"));
        assert_eq!(find_slug("alert-rule").map(|kind| kind.name), Some("AlertRule"));
        assert!(find_slug("nothing").is_none());
    }
}
