//! SX032: what manifests say about monitoring, and what cannot be right of it.

use super::Rule;

pub(super) const RULES: [Rule; 24] = [
    Rule {
        code: "SX0320",
        title: "a condition on labels cannot be read, chooses nothing, or fits no alert",
        text: r#"A condition is a label, one of `=`, `!=`, `=~`, `!~`, and a value, which may stand in double quotes. A regular expression must
fit the whole value. Alerts have the labels workspace, tenant, service, market, region, severity, kind, rule, check and
credential, and `label.KEY` for each label of their tenant. A silence whose conditions fit every alert there can be is refused:
name what it mutes. Refused too is what no alert can meet: a severity, kind, service, check, market or region that there is
not, and two conditions on one label that exclude each other, for every condition of a list must hold. Two conditions are two
entries of the list, not one with a comma.

Wrong:
    matchers: ["tennant=A", "severity=~(critical", "severity=high"]
    matchers: ["tenant=A", "tenant=B"]
    matchers: ["tenant=A,severity=info"]
Right:
    matchers: ["tenant=~\"SMB_.*\"", "severity!=critical"]
    matchers: ["tenant=~\"A|B\""]"#,
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
    Rule {
        code: "SX0325",
        title: "a channel would call what it must not call",
        text: "Channels call addresses of the public internet, over TLS, at usual ports: whoever may write a manifest could otherwise
have the controller ask its own machine, its neighbours or the metadata service of a cloud. What is meant all the same is
opened by name in `network`.

Wrong:
    webhook: {url: http://10.20.0.7/hook}
Right:
    webhook: {url: https://10.20.0.7/hook}
    network: {allowCidrs: [10.20.0.0/16]}",
    },
    Rule {
        code: "SX0326",
        title: "settings of delivery that cannot be",
        text: "Each time in `retry` is at most a week and not shorter than the one before it; `maxRetryAfter` is at most a day, `maxAge`
30 days and `timeout` 30 seconds.

Wrong:
    retry: [5m, 5s]
Right:
    retry: [5s, 5m, 1h]",
    },
    Rule {
        code: "SX0327",
        title: "a template of messages that cannot be used",
        text: r#"Templates are checked against made-up messages of every sort: each variable must be one that messages have, and what comes of
it must be short enough. docs/channels.md lists the variables.

Wrong:
    template: {title: "{{ titel }}"}
Right:
    template: {title: "{{ title }}"}"#,
    },
    Rule {
        code: "SX0328",
        title: "not a time to keep something for",
        text: "Write a whole number and one of `h`, `d`, `w`, or `forever`. Each has a least: results of health checks 1d, alerts and
notifications 7d, metrics 31d. What is younger is still needed, for example to know what was told already.

Wrong:
    retention: {alerts: 12h}
Right:
    retention: {alerts: 180d, metrics: forever}",
    },
    Rule {
        code: "SX0330",
        title: "an alert rule watches no tenant",
        text: "None of the tenants that the manifests declare in the rule's workspace meets every part of its `selector`, so the rule can
raise no alert. Most likely a label or a name is mistyped. Tenants that were made by commands are not known here.",
    },
    Rule {
        code: "SX0331",
        title: "an alert rule uses a channel that is switched off",
        text: "What would go through a channel with `enabled: false` is kept and marked as suppressed: nobody is told. Switch it on, or
take it out of the rule.",
    },
    Rule {
        code: "SX0332",
        title: "a threshold is longer than the life of a credential",
        text: "The credential says when it was issued and when it expires, and between the two is less time than the threshold: it is
crossed from the first day on. Write a shorter one, or a share of the credential's life.

Right:
    thresholds: [20%, 1d, expired]",
    },
    Rule {
        code: "SX0333",
        title: "a silence has expired",
        text: "It mutes nothing any more. Remove its manifest, or give it a later end. One that is kept for the record is as well kept in
the history of the repository.",
    },
    Rule {
        code: "SX0334",
        title: "a silence mutes every critical alert of a workspace",
        text: "Its conditions fit all alerts with `severity=critical`, whatever they are about: while it lasts, nobody is told of the
worst. Name what it is meant for, such as one tenant, service or check.",
    },
    Rule {
        code: "SX0335",
        title: "a second health check of one service",
        text: "How a service is looked at is said once for each workspace. Of several `HealthCheck`s the first by name counts, and the others do
nothing. Keep one of them.",
    },
    Rule {
        code: "SX0336",
        title: "half of a login to a mail server",
        text: "Somebody logs in where `username` and `password` are both given. With one of them mail is sent without a login, and most
servers refuse that.

Wrong:
    username: synthex
Right:
    username: synthex
    password: {env: MAIL_PASSWORD}",
    },
    Rule {
        code: "SX0337",
        title: "an encryption that is unusual at this port",
        text: "Mail servers encrypt from the start on port 465, and by STARTTLS on 25, 587 and 2525. Where `encryption` is left out, it is the
usual one of the port.

Wrong:
    port: 465
    encryption: starttls
Right:
    port: 465",
    },
    Rule {
        code: "SX0338",
        title: "a previous signing secret whose time is over",
        text: "`until` has passed, so messages are signed with the present secret alone, and the block does nothing. Remove it.",
    },
    Rule {
        code: "SX0339",
        title: "a recipient is named twice",
        text: "Everybody is told once, however often a channel names them. Upper and lower case are taken for the same here.",
    },
    Rule {
        code: "SX0340",
        title: "the severity of a rule says nothing of its thresholds",
        text: "How urgent the expiry of a credential is says each threshold: `info` for 8 days and more before it, `warning` for more than
a day, `critical` for the rest, or what `severities` says. The `severity` of such a rule counts only for renewals that fail
and for credentials of which nobody knows when they expire. The warning goes once `severities` is written.

Wrong:
    when: {credentialExpiry: {thresholds: [7d, expired]}}
    severity: critical
Right:
    when: {credentialExpiry: {thresholds: [7d, expired], severities: {7d: critical, expired: critical}}}",
    },
    Rule {
        code: "SX0341",
        title: "a silence or a window is for a tenant that nobody knows",
        text: r#"A condition of a `Silence` or a `MaintenanceWindow` asks for a tenant, and none of those that the manifests declare in its
workspace fits. Most likely the name is mistyped, or the regular expression fits a part of it: it must fit the whole. Tenants
that were made by commands are not known here.

Wrong:
    matchers: ["tenant=~SMB"]
Right:
    matchers: ["tenant=~\"SMB_.*\""]"#,
    },
    Rule {
        code: "SX0342",
        title: "a maintenance window never closes and mutes every critical alert",
        text: r#"It begins again before it ends, or as it ends, and its conditions fit all alerts with `severity=critical`: nobody is ever
told of the worst. Shorten it, or name in `matchers` what it is meant for.

Wrong:
    every: {day: 1}
    at: "00:00"
    duration: 24h
Right:
    every: {day: 1}
    at: "22:30"
    duration: 2h"#,
    },
    Rule {
        code: "SX0343",
        title: "a maintenance window is over",
        text: "Its `until` is past, so it mutes nothing any more. Remove its manifest, or give it a later `until`.",
    },
    Rule {
        code: "SX0344",
        title: "two tests of alert rules have one name",
        text: "The tests of an `AlertTest` are told apart by their names, where one fails and where one is chosen. Give each a name of its
own.",
    },
];
