//! SX032: what manifests say about monitoring, and what cannot be right of it.

use super::Rule;

pub(super) const RULES: [Rule; 5] = [
    Rule {
        code: "SX0320",
        title: "a condition on labels cannot be read, or chooses nothing",
        text: r#"A condition is a label, one of `=`, `!=`, `=~`, `!~`, and a value, which may stand in double quotes. A regular expression must
fit the whole value. Alerts have the labels workspace, tenant, service, market, region, severity, kind, rule, check and
credential, and `label.KEY` for each label of their tenant. A silence whose conditions fit every alert there can be is refused:
name what it mutes.

Wrong:
    matchers: ["tennant=A", "severity=~(critical"]
Right:
    matchers: ["tenant=~\"SMB_.*\"", "severity!=critical"]"#,
    },
    Rule {
        code: "SX0321",
        title: "a silence without one end",
        text: "A silence ends at `endsAt`, after `duration`, or, with `untilResolved: true`, for each alert when it is over. Exactly one of
the three is given, and the end is after the start.

Wrong:
    startsAt: 2026-12-24T18:00:00Z
Right:
    startsAt: 2026-12-24T18:00:00Z
    duration: 4h",
    },
    Rule {
        code: "SX0322",
        title: "a maintenance window that cannot be",
        text: r#"`at` is a time of day, `duration` at most a week, the days of a month are 1 to 31 or -1 for the last, and `until` is after
`from`.

Wrong:
    every: {month: [0]}
Right:
    every: {month: [-1]}
    at: "22:30"
    duration: 4h"#,
    },
    Rule {
        code: "SX0323",
        title: "settings of a health check that cannot be",
        text: "A service is looked at every 30 seconds at most, an answer is waited for two minutes at most, and only disk, memory and
quotas have `limits`, where `degradedPercent` is not above `unhealthyPercent`.

Right:
    service: disk
    interval: 1h
    limits: {degradedPercent: 75, unhealthyPercent: 90}",
    },
    Rule {
        code: "SX0324",
        title: "settings of an alert rule that cannot be",
        text: "Reminders come every five minutes at most, and `severities` names thresholds that the rule has.

Wrong:
    thresholds: [30d, expired]
    severities: {7d: critical}
Right:
    thresholds: [30d, 7d, expired]
    severities: {7d: critical}",
    },
];
