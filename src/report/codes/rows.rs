//! SX04: rows of tenants from CSV and JSON files.

use super::Rule;

pub(super) const RULES: [Rule; 8] = [
    Rule {
        code: "SX0401",
        title: "the header of a CSV file is wrong",
        text: "The first line names the columns. `tenantId` and `name` must be there, no column twice, and none that a tenant does not have;
`labels.KEY` and `metadata.KEY` are free.

Right:
    tenantId,name,type,market,region,shopifyShop,gmcMerchantId,labels.tier",
    },
    Rule {
        code: "SX0402",
        title: "a CSV file's rows cannot be told apart",
        text: r#"A row has more or fewer fields than the header, or a double quote is opened and not closed. A value with a comma in it
stands in double quotes, and a double quote within it is written twice.

Wrong:
    A1,Acme, Inc,shopify
Right:
    A1,"Acme, Inc",shopify"#,
    },
    Rule {
        code: "SX0403",
        title: "a file of rows has no rows",
        text: r#"An empty file, a header alone or an empty list never means "no tenants": an export that failed looks the same, and the
next step would be to delete every tenant it used to list. If none are meant, remove the TenantSet or say so:

    from: {rows: []}"#,
    },
    Rule {
        code: "SX0404",
        title: "a CSV file is separated by something else than commas",
        text: "Spreadsheets in some countries write semicolons or tabs. Save the file with commas as separators.",
    },
    Rule {
        code: "SX0405",
        title: "a file of rows has the wrong ending",
        text: "`from: {csv: ...}` names a file that ends in `.csv`, `from: {json: ...}` one that ends in `.json`.",
    },
    Rule {
        code: "SX0406",
        title: "a JSON file of rows is not a list",
        text: r#"The file holds one list with an object for each tenant.

Right:
    [{"tenantId": "A1", "name": "Acme Corp"}]"#,
    },
    Rule {
        code: "SX0407",
        title: "a row is of a tenant that is there already",
        text: "`batch tenants create` makes new tenants. A row that says what the database has already is passed over; one that says
something else is refused, so that a slip in an id changes nobody. To change tenants: `batch tenants update --from-csv FILE`.",
    },
    Rule {
        code: "SX0408",
        title: "a row is of a tenant that is not there",
        text: "`batch tenants update --from-csv` changes tenants that are there. Correct the id, or make the tenant:
`batch tenants create --from-csv FILE`.",
    },
];
