//! SX0211 to SX0218: variables, overlays and renames.

use super::Rule;

pub(super) const RULES: [Rule; 8] = [
    Rule {
        code: "SX0211",
        title: "a variable is not set",
        text: r#"A manifest says `${NAME}`, and neither the project nor the environment gives NAME a value. Values come from the project file
alone, never from the environment of the process: a pull request from a fork must not be able to read what CI holds.

Right, in synthex.yaml:
    variables: {SUPPORT: help@agency.example}
    environments:
      prod: {variables: {SUPPORT: care@agency.example}}"#,
    },
    Rule {
        code: "SX0212",
        title: "a variable is not written right",
        text: r#"`${` begins a variable, and a name of letters, digits and `_` and a `}` must follow. There are no defaults and no
expressions. For the characters themselves write `$${`. Also refused: a document whose variables add up to more than 4 MiB.

Wrong:
    displayName: "${BRAND:-Acme} Store"
Right:
    displayName: "${BRAND} Store""#,
    },
    Rule {
        code: "SX0213",
        title: "a patch stands outside of an overlay",
        text: "A Patch says what one environment changes, so it stands in a folder that an environment names. Elsewhere it would change the
resource for all of them, which is what editing the resource itself is for.

Right, in synthex.yaml:
    environments:
      prod: {overlays: [envs/prod]}",
    },
    Rule {
        code: "SX0214",
        title: "a patch fits nothing",
        text: "No declared resource has the kind, name, workspace and labels that the patch asks for: it was renamed or removed, or the
target is mistyped. A patch that silently does nothing would leave an environment as it should not be.",
    },
    Rule {
        code: "SX0215",
        title: "two patches set the same field",
        text: "Two patches of one overlay set a field of the same resource, or one sets a field within what the other sets. Which one wins
would depend on the order of files, so neither does. Keep one of them, or put one into an overlay of its own: overlays are laid
over one another in the order in which the environment lists them.",
    },
    Rule {
        code: "SX0216",
        title: "a patch is for a kind that cannot be patched",
        text: "The target's `kind` is the name of a kind as it stands in manifests, such as Tenant, TenantSet or AlertRule. The project file
is not patched: what differs between environments stands in its `environments`.",
    },
    Rule {
        code: "SX0217",
        title: "a rename that cannot be",
        text: "`moved` names a former and a present key, both KIND/WORKSPACE/NAME. Kind and workspace stay, and workspaces themselves cannot
be renamed.

Right:
    moved:
      - {from: tenant/anz-smb/ACME_OLD, to: tenant/anz-smb/ACME}",
    },
    Rule {
        code: "SX0218",
        title: "renames contradict each other",
        text: "A key is renamed to two names, two keys are renamed to one, or the steps of `moved` lead back to where they began. A chain is
fine: with a to b and b to c, both a and b become c. Steps that every database has taken can be removed.",
    },
];
