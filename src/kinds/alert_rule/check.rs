//! What cannot be right of a rule, beyond the types.

use std::str::FromStr as _;

use chrono::{DateTime, Utc};

use crate::model::kind::SpecProblem;
use crate::model::text::duration_seconds;

use super::{AlertRuleSpec, Condition, CredentialExpiry, lead_seconds};

/// What groups may have in common, besides the labels of the tenant.
const GROUPED_BY: [&str; 9] =
    ["tenant", "service", "market", "region", "severity", "check", "credential", "kind", "workspace"];

const DAY: i64 = 86_400;

pub(super) fn check(spec: &AlertRuleSpec, problems: &mut Vec<SpecProblem>) {
    schedule(spec, problems);
    if chrono_tz::Tz::from_str(&spec.time_zone).is_err() {
        let message = format!("`{}` is not an IANA time zone", spec.time_zone);
        problems.push(
            SpecProblem::new("SX0311", "/timeZone", message).help("for example Australia/Sydney or UTC"),
        );
    }
    let reminder = spec.reminder.as_deref().filter(|text| *text != "never");
    if reminder.and_then(duration_seconds).is_some_and(|seconds| seconds < 300) {
        problems.push(
            SpecProblem::new("SX0324", "/reminder", "reminders come at most every five minutes")
                .help("write 5m or longer, or `never`"),
        );
    }
    let mut durations = vec![("/reminder", reminder)];
    if let Some(grouping) = &spec.grouping {
        durations.push(("/grouping/wait", Some(&grouping.wait)));
        durations.push(("/grouping/interval", Some(&grouping.interval)));
        group_labels(&grouping.by, problems);
        for (field, text, longest, shown) in
            [("wait", &grouping.wait, DAY, "a day"), ("interval", &grouping.interval, 7 * DAY, "a week")]
        {
            if duration_seconds(text).is_some_and(|seconds| seconds > longest) {
                problems.push(
                    SpecProblem::new(
                        "SX0324",
                        format!("/grouping/{field}"),
                        format!("`{field}` is at most {shown}: for as long nobody is told of what is new"),
                    )
                    .help("write for example 30s or 5m"),
                );
            }
        }
    }
    if let Some(flapping) = &spec.flapping {
        durations.push(("/flapping/window", Some(&flapping.window)));
    }
    match &spec.when {
        Condition::HealthStatus(health) => {
            durations.push(("/when/healthStatus/for", health.lasting.as_deref()));
        }
        Condition::UsageThreshold(usage) => {
            durations.push(("/when/usageThreshold/window", Some(&usage.window)));
        }
        Condition::CredentialExpiry(expiry) => thresholds(expiry, problems),
    }
    for (pointer, text) in durations {
        if text.is_some_and(|text| duration_seconds(text).is_none()) {
            problems.push(
                SpecProblem::new("SX0312", pointer, "not a length of time of at most ten years")
                    .help("write a number and one of s, m, h, d, w, such as 24h"),
            );
        }
    }
    for (index, channel) in spec.channels.iter().enumerate() {
        if spec.channels[..index].contains(channel) {
            problems.push(
                SpecProblem::new(
                    "SX0324",
                    format!("/channels/{index}"),
                    format!("`{channel}` is listed twice"),
                )
                .help("remove one of the two"),
            );
        }
    }
}

fn schedule(spec: &AlertRuleSpec, problems: &mut Vec<SpecProblem>) {
    let mut wrong = |message: String| {
        problems.push(
            SpecProblem::new("SX0310", "/schedule", message)
                .help("for example \"0 9 * * *\", every day at nine"),
        );
    };
    if spec.schedule.split_whitespace().count() != 5 {
        return wrong("a schedule has five fields: minute hour day month weekday".to_owned());
    }
    match croner::Cron::from_str(&spec.schedule) {
        Err(error) => wrong(match wrong_field(&spec.schedule) {
            Some((name, field, error)) => format!("`{field}` is no {name}: {}", in_short(&error)),
            None => format!("not a cron expression: {}", in_short(&error)),
        }),
        Ok(cron) => {
            // Any moment does: what comes at all comes within eight years, however far 29 February is.
            let since = DateTime::<Utc>::UNIX_EPOCH;
            if cron.find_next_occurrence(&since, false).is_err() {
                wrong("the schedule never comes: no year has such a day".to_owned());
            }
        }
    }
}

/// The first field that is wrong by itself: what it stands for, what is written, and what the parser says of it.
fn wrong_field(schedule: &str) -> Option<(&'static str, &str, croner::errors::CronError)> {
    let names = ["minute", "hour", "day of the month", "month", "day of the week"];
    schedule.split_whitespace().zip(names).enumerate().find_map(|(index, (field, name))| {
        let mut alone = ["*"; 5];
        alone[index] = field;
        let error = croner::Cron::from_str(&alone.join(" ")).err()?;
        Some((name, field, error))
    })
}

/// The last part of what the cron parser says: the ones before it only name its own types.
fn in_short(error: &croner::errors::CronError) -> String {
    let text = error.to_string();
    let last = text.rsplit(": ").next().unwrap_or_default();
    let last = last.trim_start_matches("CronPattern ").trim_end_matches('.');
    let mut letters = last.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

fn group_labels(labels: &[String], problems: &mut Vec<SpecProblem>) {
    for (index, label) in labels.iter().enumerate() {
        let own = label.strip_prefix(crate::model::matcher::OWN_LABEL);
        if own.is_some_and(|own| !own.is_empty()) || GROUPED_BY.contains(&label.as_str()) {
            continue;
        }
        let near = crate::model::diagnostic::did_you_mean(label, GROUPED_BY.iter().copied());
        let help = near.map_or_else(
            || format!("write {}, or label.KEY", GROUPED_BY.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        problems.push(
            SpecProblem::new(
                "SX0324",
                format!("/grouping/by/{index}"),
                format!("alerts cannot be grouped by `{label}`"),
            )
            .help(help),
        );
    }
}

fn thresholds(expiry: &CredentialExpiry, problems: &mut Vec<SpecProblem>) {
    for name in expiry.severities.keys().filter(|name| !expiry.thresholds.contains(name)) {
        problems.push(
            SpecProblem::new(
                "SX0324",
                "/when/credentialExpiry/severities",
                format!("`{name}` is none of the thresholds"),
            )
            .help(format!("the thresholds are {}", expiry.thresholds.join(", "))),
        );
    }
    for (index, text) in expiry.thresholds.iter().enumerate() {
        let same = expiry.thresholds[..index].iter().find(|other| sort_of(other) == sort_of(text));
        if let Some(other) = same {
            let message = if other == text {
                format!("`{text}` is listed twice")
            } else {
                format!("`{text}` is as long as `{other}`")
            };
            problems.push(
                SpecProblem::new("SX0324", format!("/when/credentialExpiry/thresholds/{index}"), message)
                    .help("remove one of the two"),
            );
        }
    }
}

/// Equal for thresholds that are crossed at the same moment.
fn sort_of(text: &str) -> (bool, i64) {
    if text == "expired" {
        return (false, 0);
    }
    if let Some(share) = text.strip_suffix('%') {
        return (true, share.parse().unwrap_or_default());
    }
    (false, lead_seconds(text).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(own: &[&str], expected: &[&str]) {
        let expiry = CredentialExpiry {
            thresholds: own.iter().map(|text| (*text).to_owned()).collect(),
            severities: Default::default(),
            require_expiry: false,
        };
        let mut problems = Vec::new();
        thresholds(&expiry, &mut problems);
        let found: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(found, expected, "{own:?}");
    }

    #[test]
    fn thresholds_that_mean_the_same_are_refused_and_no_others() {
        check(&["30d", "7d", "20%", "20h", "expired", "-7d"], &[]);
        // Beyond ten years as well.
        check(&["9999w", "9999d", "4000d", "3999d", "-4000d", "expired"], &[]);
        check(&["24h", "1d"], &["`1d` is as long as `24h`"]);
        check(&["7d", "7d"], &["`7d` is listed twice"]);
        check(&["4004d", "572w"], &["`572w` is as long as `4004d`"]);
    }
}
