//! SX01, first part: what can be wrong with a file before it is looked at as a manifest.

use super::Rule;

pub(super) const RULES: [Rule; 16] = [
    Rule {
        code: "SX0101",
        title: "a file is not UTF-8",
        text: r#"Manifests and rows are read as UTF-8, and nothing is guessed: a byte that was read in the wrong encoding would end up in
the database as another name. Save the file as UTF-8. Spreadsheets offer it as "CSV UTF-8"."#,
    },
    Rule {
        code: "SX0102",
        title: "a file is not YAML",
        text: r#"The text breaks the grammar of YAML 1.2, so nothing behind the place shown could be understood. Often the mistake is on the
line before: a missing colon, a quote that is not closed, a wrong indent.

Wrong:
    spec:
      displayName: Acme: the shop
Right:
    spec:
      displayName: "Acme: the shop""#,
    },
    Rule {
        code: "SX0103",
        title: "a key is there twice",
        text: "A map names the same key twice. Many readers silently take the last one, so the manifest would not say what it seems to say.
Remove one of the two.

Wrong:
    spec:
      market: ANZ_SMB
      market: UK_SMB",
    },
    Rule {
        code: "SX0104",
        title: "aliases expand to too much",
        text: "The document's aliases (`*name`) refer to themselves, or multiply to far more values than the document has. A small file could
fill the memory of everyone who reads it. Write the values out, or put what tenants share into a TenantTemplate.",
    },
    Rule {
        code: "SX0105",
        title: "a document is nested too deeply or has too many values",
        text: "A document may not be nested without limit or hold more values than fit into memory many times over. No manifest needs
that: as a rule a tool has written the file wrongly. Split very long lists of tenants over several documents, or use CSV.",
    },
    Rule {
        code: "SX0106",
        title: "a word that some readers take for a boolean",
        text: r#"Unquoted `yes`, `no`, `on` and `off` are text in YAML 1.2 and booleans in YAML 1.1, so two programs read the same file
differently. The classic victim is the country code of Norway.

Wrong:
    metadata: {labels: {country: no}}
Right:
    metadata: {labels: {country: "no"}}

Where a boolean is meant, write `true` or `false`."#,
    },
    Rule {
        code: "SX0107",
        title: "a number that is not the same for every reader",
        text: r#"Unquoted `0123`, `1_000` and `12:30` are different numbers, or text, depending on the version of YAML; others, such as `.nan`
or a number of thirty digits, cannot be kept without loss. Quote it where it is an identifier, otherwise write plain digits.

Wrong:
    gmcMerchantId: 0123456
Right:
    gmcMerchantId: "123456""#,
    },
    Rule {
        code: "SX0108",
        title: "a tab where YAML wants spaces",
        text: "YAML does not allow tabs in indentation, because nobody can see how deep they are. Set the editor to indent with two spaces.",
    },
    Rule {
        code: "SX0109",
        title: "a key is not a plain text",
        text: "Keys of manifests are text. Lists, maps and numbers as keys, and the merge key `<<`, are not accepted: JSON and the database
have nothing to put them in. To share values between tenants use a TenantTemplate.",
    },
    Rule {
        code: "SX0110",
        title: "an unknown tag",
        text: "Tags such as `!Ref` or `!!binary` belong to other programs and have no meaning here. Only the tags of YAML's core schema are
read, and only where they fit the value.",
    },
    Rule {
        code: "SX0111",
        title: "a file is too large",
        text: "Files above a limit (10 MiB by default) are refused, so that a wrong path or a runaway generator is noticed before it is read.
Split the file. If it is as large as it has to be, raise `limits.maxFileSize` in synthex.yaml:

    spec:
      limits: {maxFileSize: 50MiB}",
    },
    Rule {
        code: "SX0112",
        title: "a file or folder cannot be read",
        text: "The operating system refused to read it: the rights are missing, or it vanished or changed while it was read. It is an error
and not an omission, because a file that is skipped would look as if its resources were no longer declared.",
    },
    Rule {
        code: "SX0113",
        title: "a path leads out of the project",
        text: "Manifests may only name files inside the project's folder; absolute paths, `..` out of it and links that lead out of it are
refused. Otherwise a pull request could make the CI machine read any file it has access to. Move the file into the project.

Wrong:
    from: {csv: ../../clients.csv}
Right:
    from: {csv: clients.csv}",
    },
    Rule {
        code: "SX0114",
        title: "a file declares nothing",
        text: "The file is empty or has only comments. That is hardly ever meant, and an editor or a full disk can do it to a file that had
content. Write a manifest into it or remove it.",
    },
    Rule {
        code: "SX0115",
        title: "a file is not JSON",
        text: "Files that end in `.json` are read as strict JSON: no comments, no comma behind the last element, keys in double quotes.
Give the file the ending `.yaml` to write more freely.",
    },
    Rule {
        code: "SX0116",
        title: "there is nothing to read",
        text: r#"The folder of manifests is missing, unreadable, or has no manifest in it. This never means "nothing is declared": a wrong
path or a failed checkout would otherwise be a request to delete everything. Check the path that `-f` or the project's
`manifests` names."#,
    },
];
