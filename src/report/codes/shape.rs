//! SX01, second part: what the schema of a kind does not allow.

use super::Rule;

pub(super) const RULES: [Rule; 12] = [
    Rule {
        code: "SX0150",
        title: "a document is not a manifest",
        text: "Every document is a map with `apiVersion`, `kind`, `metadata` and `spec`. A list of rows is fine in a `.json` file that a
TenantSet names, and nowhere else.

Right:
    apiVersion: synthex.dev/v1
    kind: Tenant
    metadata: {name: acme}
    spec: {displayName: Acme Corp, template: shopify-smb-anz}",
    },
    Rule {
        code: "SX0151",
        title: "the API version is missing or unknown",
        text: "`apiVersion` says which form of manifests the document is written in, so that the form can change later without breaking old
files. Write `apiVersion: synthex.dev/v1`.",
    },
    Rule {
        code: "SX0152",
        title: "the kind is missing or unknown",
        text: "`kind` says what the document declares. Kinds are written as `synthex explain` lists them, with capitals: `Tenant`,
`TenantSet`, `AlertRule`.",
    },
    Rule {
        code: "SX0153",
        title: "an unknown field",
        text: "The kind has no field of this name here. Unknown fields are refused instead of ignored, because an ignored field is a typing
mistake that nobody notices. `synthex explain KIND` lists the fields.

Wrong:
    metadata: {name: acme, lables: {tier: gold}}
Right:
    metadata: {name: acme, labels: {tier: gold}}",
    },
    Rule {
        code: "SX0154",
        title: "a required field is missing",
        text: "The kind cannot do without this field. `synthex explain KIND` says what it is for.",
    },
    Rule {
        code: "SX0155",
        title: "a value has the wrong type",
        text: r#"The field wants another type, for example a list where a single text is given. An empty value (`website:` with nothing
behind it) is not the same as leaving the field out: remove the line.

Wrong:
    employeeCount: "12"
Right:
    employeeCount: 12"#,
    },
    Rule {
        code: "SX0156",
        title: "a value is not one of the allowed ones",
        text: "The field takes one of a fixed list of words, written exactly as listed.

Wrong:
    market: anz
Right:
    market: ANZ_SMB",
    },
    Rule {
        code: "SX0157",
        title: "a text does not have the form it needs",
        text: "The field wants a text of a certain form: a name, an e-mail address, a web address, a shop's permanent domain, an instant with
a zone.

Wrong:
    shopifyShop: https://acme.com
Right:
    shopifyShop: acme.myshopify.com",
    },
    Rule {
        code: "SX0158",
        title: "a value is too long, too short, too large or too small",
        text: "The field has limits, which the message names. They are those of the database and of the services behind it, so a value
outside them would fail later.",
    },
    Rule {
        code: "SX0159",
        title: "a combination that is not allowed",
        text: "Fields that exclude each other are given together, or none of them where one is needed.

Wrong:
    from: {csv: clients.csv, json: clients.json}
Right:
    from: {csv: clients.csv}",
    },
    Rule {
        code: "SX0160",
        title: "a secret stands in a manifest",
        text: "Manifests live in git, where a secret stays readable for ever and for everyone with access. A manifest therefore names only the
place where a secret is kept. If a real secret was committed, treat it as known to others: replace it at the service first.

Wrong:
    secretRef: shpat_0123456789
Right:
    secretRef: {env: SHOPIFY_TOKEN}",
    },
    Rule {
        code: "SX0190",
        title: "a defect in synthex",
        text: "The manifest passed its schema and could still not be taken over, or the other way round. The two are made from the same
source, so this is a mistake in synthex and not in the manifest. Please report it with the manifest.",
    },
];
