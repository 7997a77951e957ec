//! SX03: values that have the right form and cannot be right.

use super::Rule;

pub(super) const RULES: [Rule; 17] = [
    Rule {
        code: "SX0302",
        title: "a business number that cannot exist",
        text: "The registers give their numbers check digits, and these do not fit, or the number has the wrong length: a digit is mistyped or
two are swapped. Compare it with the merchant's registration. The message says which rule failed.
A number that passes is well formed, not proven to be this merchant's.",
    },
    Rule {
        code: "SX0303",
        title: "a business number of another country than the market's",
        text: "The country that issued the number does not belong to the tenant's market: for ANZ_SMB and ANZ_ENTERPRISE these are AU and
NZ, for UK_SMB it is UK, for US_SMB US. Either the market or the country is wrong.",
    },
    Rule {
        code: "SX0304",
        title: "a text that PostgreSQL cannot store",
        text: r#"The text holds the character NUL (`\0`), which no text in PostgreSQL can. As a rule it comes from a binary file that was
taken for text. Remove it."#,
    },
    Rule {
        code: "SX0305",
        title: "a tenant lacks its type, market or region",
        text: "These three may come from the tenant, its template or its workspace, and none of them gives one. Add the field to the tenant,
or to the template or workspace if all of its tenants share the value.",
    },
    Rule {
        code: "SX0307",
        title: "a template asks for a field that no tenant has",
        text: "`requiredFields` and `optionalFields` name fields of a tenant's spec, or `metadata.KEY`. A field that does not exist could
never be filled in.

Wrong:
    requiredFields: [shop]
Right:
    requiredFields: [shopifyShop, metadata.brand]",
    },
    Rule {
        code: "SX0308",
        title: "a renewal that does not fit the service",
        text: "Shopify's credentials are renewed with `shopify-refresh-token`, Google Merchant's with `google-oauth`. Write `none` for a
credential that people renew by hand.",
    },
    Rule {
        code: "SX0309",
        title: "a channel's settings do not fit its type",
        text: "A channel of type `email`, `slack` or `webhook` has the block of that name and no other; within `email`, mail by SMTP
needs a `host`, and SendGrid and Resend need an `apiKey`. `from` and `to` are addresses and nothing else: no name, no list.

Right:
    type: slack
    slack: {webhookUrl: {env: SLACK_WEBHOOK_URL}}",
    },
    Rule {
        code: "SX0310",
        title: "a schedule is not a cron expression",
        text: r#"A schedule has five fields: minute, hour, day of the month, month, day of the week.

Wrong:
    schedule: every day at nine
Right:
    schedule: "0 9 * * *""#,
    },
    Rule {
        code: "SX0311",
        title: "an unknown time zone",
        text: "Zones are named as in the IANA database, because only those know when daylight saving begins. Abbreviations such as
AEST name no zone, or several at once; the few that the database has, such as EST, never put their clocks forward.

Wrong:
    timeZone: AEST
Right:
    timeZone: Australia/Sydney",
    },
    Rule {
        code: "SX0312",
        title: "not a length of time",
        text: "Write a whole number and one unit: `s`, `m`, `h`, `d` or `w`. At most ten years.

Wrong:
    reminder: 1 day
Right:
    reminder: 24h",
    },
    Rule {
        code: "SX0313",
        title: "not a size",
        text: "Write a whole number and one of `B`, `KiB`, `MiB`, `GiB`, at most 2GiB.

Wrong:
    maxFileSize: 10 megabytes
Right:
    maxFileSize: 10MiB",
    },
    Rule {
        code: "SX0314",
        title: "the database's address cannot come from Secret Manager",
        text: "The project's `database` is needed before anything else is set up, so it can be read only from an environment variable or a
file.

Right:
    database: {env: DATABASE_URL}",
    },
    Rule {
        code: "SX0315",
        title: "an expiry in a year that cannot be meant",
        text: "The year is far outside those in which a credential can expire, so a digit is missing or there is one too many. Alerts
would come never, or at once.

Wrong:
    expiresAt: 0026-12-31T00:00:00Z
Right:
    expiresAt: 2026-12-31T00:00:00Z",
    },
    Rule {
        code: "SX0316",
        title: "the name of a variable or environment is wrong",
        text: "A variable's name is made of letters, digits and `_`, does not start with a digit, and has at most 64 characters. An
environment's name follows the rule for all names: letters, digits, `.`, `_` and `-`, a letter or digit first, at most 128.",
    },
    Rule {
        code: "SX0317",
        title: "the usual environment does not exist",
        text: "`environment` in the project file names the environment that is meant where `--environment` names none. It must be one of
`environments`.",
    },
    Rule {
        code: "SX0318",
        title: "a patch changes nothing",
        text: r#"A patch has `spec` or `labels`, or both, with at least one field. One that is empty was most likely not finished.

Right:
    patch: {spec: {contact: {email: care@agency.example}}}"#,
    },
    Rule {
        code: "SX0319",
        title: "a selector cannot be read",
        text: "A selector is a list of conditions on labels with commas between them, all of which must hold: `tier=gold`, `tier!=gold`,
`tier in (gold,silver)`, `tier notin (gold)`, `tier`, `!tier`.",
    },
];
