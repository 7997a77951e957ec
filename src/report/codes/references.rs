//! SX02: how documents fit together.

use super::Rule;

pub(super) const RULES: [Rule; 10] = [
    Rule {
        code: "SX0201",
        title: "a resource is declared twice",
        text: "Two documents, or two rows, declare the same kind, workspace and name. Which one wins would depend on the order of files, so
neither does. Both places are shown; remove one or give it another name.",
    },
    Rule {
        code: "SX0202",
        title: "a workspace is not declared",
        text: "The resource stands in a workspace that no manifest declares. A mistyped name would otherwise make a new, unguarded workspace.

Right:
    apiVersion: synthex.dev/v1
    kind: Workspace
    metadata: {name: anz-smb}
    spec: {market: ANZ_SMB, region: AU-SE1}",
    },
    Rule {
        code: "SX0203",
        title: "a resource that is mentioned is not declared",
        text: "A credential mentions a tenant, or a rule a channel, that no manifest declares in the same workspace. Resources mention
only those of their own workspace: that is what keeps clients apart.",
    },
    Rule {
        code: "SX0204",
        title: "resources refer to each other in a circle",
        text: "For example two channels that are each other's fallback: a message that neither can deliver would go round for ever. Remove
one of the references.",
    },
    Rule {
        code: "SX0205",
        title: "a template does not exist",
        text: "The tenant's `template` is neither declared, in its workspace or in the project's default one, nor built in.
`synthex templates list` shows those that are.",
    },
    Rule {
        code: "SX0206",
        title: "a field that the template requires is missing",
        text: "The template lists the field in `requiredFields`, and neither the tenant nor a default gives it a value. Add it to the
tenant. For rows of a CSV file an empty cell counts as missing.",
    },
    Rule {
        code: "SX0207",
        title: "no workspace is named",
        text: "The resource does not say which workspace it belongs to, and the project has no default one. Add it to the metadata, or set
`workspace` in synthex.yaml for all.

Right:
    metadata: {name: acme, workspace: anz-smb}",
    },
    Rule {
        code: "SX0208",
        title: "a Project stands in the wrong place",
        text: "A project is declared in one document, in the project file and nowhere else. Manifests go into the folder that its
`manifests` names.",
    },
    Rule {
        code: "SX0209",
        title: "there is no project file",
        text: "synthex looks for `synthex.yaml` in the working directory and the folders above it. It names the project, which owns the
rows that are written; without it nothing can be told apart from another project's. Where the file is found, it must hold a
Project. `synthex init` writes one to start from; `-f` names one elsewhere.",
    },
    Rule {
        code: "SX0210",
        title: "a project's name is reserved",
        text: "The owner `cli` marks the rows that commands such as `tenant tenants create` made. A project of that name would take all
of them for its own. Choose another name.",
    },
];
