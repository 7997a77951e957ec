//! SX05: reasons not to apply a plan that could be made.

use super::Rule;

pub(super) const RULES: [Rule; 3] = [
    Rule {
        code: "SX0501",
        title: "a protected resource would be deleted",
        text: "The row has `protect: true` in the database. It is kept there, so taking the line out together with the resource does not
help: that is the very mistake it is meant to stop. To delete the resource, first apply it with `protect: false`, then
remove it.",
    },
    Rule {
        code: "SX0502",
        title: "a resource belongs to another project",
        text: "Another project declares the same resource and owns its row. If both applied, each would undo the other's changes for ever.
Remove it from one of the two projects, or give it another name.",
    },
    Rule {
        code: "SX0508",
        title: "what comes back needs something that is not there",
        text: "A rollback or a restore would bring back a resource that mentions another one, such as a credential its tenant, and that one is
deleted. Bring it back as well: `synthex restore KEY KEY` takes several.",
    },
];
