//! SX05: reasons not to apply a plan that could be made.

use super::Rule;

pub(super) const RULES: [Rule; 8] = [
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
Remove it from one of the two projects, or give it another name. To move it from one project to the other, remove it there
and apply here with `--take-ownership KEY`.",
    },
    Rule {
        code: "SX0503",
        title: "more would be deleted than the project allows in one go",
        text: "A folder that was moved, a filter that went wrong, an export that was cut short: the result is a plan that deletes far
more than anybody meant. The project file says how much one plan may delete, in each workspace and in all; left out, it is:

    guards:
      maxDeletes: 5
      maxDeletePercent: 20

There is no number so small that the percentage does not count: the last tenant of a workspace is not deleted either. When
the deletions are meant, name their number and the plan:

    synthex apply --ack-deletes 12 --expect-digest sha256:...",
    },
    Rule {
        code: "SX0504",
        title: "more would be updated than the project allows in one go",
        text: "The project file has a `maxUpdatePercent` under `guards`, and the plan changes more of the rows than that. When that is meant,
for example because a template changed, apply with the plan's digest and the number of its updates:

    synthex apply --ack-updates 312 --expect-digest sha256:...",
    },
    Rule {
        code: "SX0505",
        title: "a deletion and a creation look like a rename",
        text: "Both name the same shop or account, so most likely a tenant got another name. As a deletion and a creation it would lose its
identity, its history and its alerts. Say that it moved, in the project file:

    moved:
      - {from: tenant/anz-smb/OLD, to: tenant/anz-smb/NEW}

It is pointed out in every plan, and refused with `--guard rename` or `rename: true` under `guards`.",
    },
    Rule {
        code: "SX0506",
        title: "something that stays needs what would be deleted or renamed",
        text: "For example an alert rule that tells its alerts through a channel, or a tenant of a workspace. It may belong to nobody, or to
another project, and is therefore not deleted along; or it is not selected, or its change is not allowed. Delete it too, or
change it first.

What has one name in a field of its own, such as the tenant of a credential or the fallback of a channel, follows a rename.
A rule names its channels in a list, which only the rule's own change can rewrite: the plan must have both, or the rule must
use another channel first.",
    },
    Rule {
        code: "SX0507",
        title: "rows would be removed for good",
        text: "With `--permanent` a deletion cannot be undone by `synthex restore`. It has to be acknowledged with the number of deletions
and the plan's digest:

    synthex apply --prune --permanent --ack-deletes 3 --expect-digest sha256:...",
    },
    Rule {
        code: "SX0508",
        title: "what would be written needs something that is not there",
        text: "A resource mentions another one, such as a credential its tenant, and that one is not there, or is deleted, and this plan does
not make it: `--exclude` leaves it out, or `--allow` does. Select it too, or allow it too.

Or a rollback or a restore would bring back the one without the other: `synthex restore KEY KEY` takes several.",
    },
];
