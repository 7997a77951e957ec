//! Two writers that undo each other are named, and do not go on for ever (R68, S8): over a field, over a row that one of them
//! removes, and over one that only one of them wants.

use crate::support::estate::Estate;

use super::{comes_true, condition, display_name, is_ready, start, status, value};

/// What alerts are told of the workspace `w`.
fn told(estate: &Estate) -> String {
    let said =
        "select status || ' ' || code || ' ' || message from synthex.health_status where service = 'sync'";
    value(estate, said).unwrap_or_default()
}

#[test]
fn two_writers_are_named_and_do_not_go_on_for_ever() {
    let estate = Estate::new("watch_two_writers");
    let _controller = start(&estate, &[]);
    is_ready(&estate);
    let by_hand = "update synthex.tenants set display_name = 'By hand' where name = 'T2'";
    for time in 1..=6 {
        estate.database.admin_sql(by_hand);
        comes_true(&format!("correction {time}"), || display_name(&estate, "T2").as_deref() == Some("T2"));
        if time == 3 {
            comes_true("the fight to be said", || condition(&estate, "Flapping") == "True TwoWriters");
        }
    }
    estate.database.admin_sql(by_hand);
    comes_true("the end of it", || condition(&estate, "Flapping") == "True CorrectionStopped");
    comes_true("what is left", || condition(&estate, "Ready") == "False CorrectionStopped");
    assert_eq!(display_name(&estate, "T2").as_deref(), Some("By hand"));
    let said =
        "select status || ' ' || code || ' ' || message from synthex.health_status where service = 'sync'";
    let begins = "unhealthy flapping tenant/w/T2 /displayName was set back 6 times within 30 minutes: \
                  the database role admin and `synthex watch` (project test) overwrite each other";
    comes_true("both writers", || value(&estate, said).is_some_and(|text| text.starts_with(begins)));
    let shown = status(&estate);
    assert_eq!(shown["flapping"][0]["times"], 6, "{shown:#}");
    // Other fields and other resources are corrected still.
    estate.database.admin_sql("update synthex.tenants set display_name = 'By hand' where name = 'T1'");
    comes_true("another correction", || display_name(&estate, "T1").as_deref() == Some("T1"));
    estate.database.admin_sql("update synthex.tenants set industry = 'Mining' where name = 'T2'");
    comes_true("the other field", || {
        value(&estate, "select coalesce(industry, '') from synthex.tenants where name = 'T2'").as_deref()
            == Some("")
    });
    assert_eq!(display_name(&estate, "T2").as_deref(), Some("By hand"));
    // What is declared anew is tried anew.
    estate.edit("T2.yaml", "displayName: T2", "displayName: Agreed");
    comes_true("what was agreed", || display_name(&estate, "T2").as_deref() == Some("Agreed"));
    is_ready(&estate);
}

#[test]
fn a_row_that_somebody_removes_again_and_again_is_left_at_last() {
    for (way, sql) in [
        ("for good", "delete from synthex.tenants where name = 'T3'"),
        ("softly", "update synthex.tenants set deleted_at = clock_timestamp() where name = 'T3'"),
    ] {
        let estate = Estate::new("watch_removed_again");
        let _controller = start(&estate, &[]);
        is_ready(&estate);
        for time in 1..=6 {
            estate.database.admin_sql(sql);
            comes_true(&format!("row {time}, {way}"), || display_name(&estate, "T3").is_some());
            if time == 3 {
                comes_true("the fight to be said", || condition(&estate, "Flapping") == "True TwoWriters");
            }
        }
        estate.database.admin_sql(sql);
        comes_true("the end of it", || condition(&estate, "Ready") == "False CorrectionStopped");
        assert_eq!(display_name(&estate, "T3"), None, "{way}");
        let begins = "unhealthy flapping tenant/w/T3 was set back 6 times within 30 minutes: \
                      the database role admin and `synthex watch` (project test) overwrite each other";
        comes_true("both writers", || told(&estate).starts_with(begins));
        // Others are corrected still.
        estate.database.admin_sql("update synthex.tenants set display_name = 'By hand' where name = 'T2'");
        comes_true("another row", || display_name(&estate, "T2").as_deref() == Some("T2"));
        assert_eq!(display_name(&estate, "T3"), None, "{way}");
        // What is declared anew is tried anew.
        estate.edit("T3.yaml", "displayName: T3", "displayName: Agreed");
        comes_true("what was agreed", || display_name(&estate, "T3").as_deref() == Some("Agreed"));
        is_ready(&estate);
    }
}

#[test]
fn a_row_that_somebody_makes_again_and_again_is_left_at_last() {
    let estate = Estate::new("watch_made_again");
    estate.edit_project("workspace: w,", "workspace: w, prune: true,");
    let _controller = start(&estate, &[]);
    is_ready(&estate);
    estate.project.remove("manifests/T3.yaml");
    comes_true("that it is gone", || display_name(&estate, "T3").is_none());
    is_ready(&estate);
    comes_true("that it is in force", || {
        value(&estate, "select (applied = good)::text from synthex.watch_sources").as_deref() == Some("true")
    });
    let again = "update synthex.tenants set deleted_at = null where name = 'T3'";
    for time in 1..=6 {
        estate.database.admin_sql(again);
        comes_true(&format!("deletion {time}"), || display_name(&estate, "T3").is_none());
        if time == 3 {
            comes_true("the fight to be said", || condition(&estate, "Flapping") == "True TwoWriters");
        }
    }
    estate.database.admin_sql(again);
    comes_true("the end of it", || condition(&estate, "Ready") == "False CorrectionStopped");
    assert!(display_name(&estate, "T3").is_some());
    let begins = "unhealthy flapping tenant/w/T3 was set back 6 times within 30 minutes: \
                  the database role admin and `synthex watch` (project test) overwrite each other";
    comes_true("both writers", || told(&estate).starts_with(begins));
    // Declared, it is theirs and ours.
    estate.declare_tenant("T3", &[]);
    is_ready(&estate);
}
