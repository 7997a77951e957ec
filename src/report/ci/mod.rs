//! What a CI job leaves behind: outputs for later steps, the marker of a comment, how to acknowledge, what came of an apply.

pub mod approval;
pub mod outcome;
pub mod outputs;

use crate::plan::{Plan, Refusal, guards};

use super::PlanContext;
use super::diagnostics::{data, property};
use super::plan_markdown::{self, MarkdownOptions, Preset};
use super::plan_text::sections;

/// The name of the JSON document, for the reader of a comment.
const ARTIFACT: &str = "plan-report.json";

/// The plan as a comment, or with more bytes as the summary of a run: with what it takes to apply what guards refuse.
#[must_use]
pub fn comment(plan: &Plan, context: &PlanContext, max_bytes: usize) -> String {
    let help = acknowledgement(plan);
    let max_bytes = max_bytes.saturating_sub(help.len());
    let text = plan_markdown::markdown(plan, context, &MarkdownOptions { max_bytes, ..options() });
    text + &help
}

/// How the Markdown is written.
#[must_use]
pub fn options() -> MarkdownOptions {
    MarkdownOptions { artifact: ARTIFACT.to_owned(), ..MarkdownOptions::of(Preset::Github) }
}

/// The line that counts.
#[must_use]
pub fn summary(plan: &Plan) -> String {
    sections::last_line(plan)
}

/// What lets guards on numbers pass, and which refusals nothing lets pass.
fn acknowledgement(plan: &Plan) -> String {
    let all = plan.refusals.len();
    let numbers = plan.refusals.iter().filter(|refusal| refusal.can_be_acknowledged).count();
    if all == 0 {
        return String::new();
    }
    let mut text = "\n### To apply it all the same\n\n".to_owned();
    if numbers == 0 {
        text.push_str("Nothing acknowledges these refusals: change the manifests as each of them says.\n");
        return text;
    }
    if numbers < all {
        text.push_str(&format!(
            "{} of {all} refusals can only be mended in the manifests, as they say. The others are ",
            all - numbers
        ));
    } else {
        text.push_str("The limits are ");
    }
    let about_updates = |refusal: &&Refusal| refusal.code == guards::too_much::UPDATES;
    let can_be = || plan.refusals.iter().filter(|refusal| refusal.can_be_acknowledged);
    let mut words = String::new();
    if can_be().any(|refusal| !about_updates(&refusal)) {
        words.push_str(&format!(" --ack-deletes {}", plan.summary().delete));
    }
    if can_be().any(|refusal| about_updates(&refusal)) {
        words.push_str(&format!(" --ack-updates {}", plan.summary().update));
    }
    text.push_str(&format!(
        "acknowledged by whoever applies, with their number:\n\n```sh\nsynthex ci apply --expect-digest {}{words}\n```\n",
        plan.digest(),
    ));
    text
}

/// A failure as an annotation of GitHub.
#[must_use]
pub fn annotation((what, why, help): (&str, Option<&str>, Option<&str>)) -> String {
    let mut lines = vec![data(what)];
    lines.extend(why.map(data));
    lines.extend(help.map(|help| format!("help: {}", data(help))));
    format!("::error title={}::{}\n", property("synthex"), lines.join("%0A"))
}

/// Annotations of files below a folder, as they are written from the root of the repository.
#[must_use]
pub fn below(folder: &str, annotations: &str) -> String {
    if folder.is_empty() {
        return annotations.to_owned();
    }
    let folder = property(folder);
    let moved = |line: &str| match line.split_once(" file=") {
        // What stands before is the level; a later one would be somebody's words.
        Some((level, rest))
            if level.starts_with("::") && !level[2..].contains(':') && !rest.starts_with('/') =>
        {
            format!("{level} file={folder}/{rest}\n")
        }
        _ => format!("{line}\n"),
    };
    annotations.lines().map(moved).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Refusal;
    use crate::report::sample::{context, create, delete, everything, key, plan};
    use serde_json::json;

    fn refused(can_be_acknowledged: bool) -> Refusal {
        Refusal {
            code: "SX0503",
            key: None,
            message: "too many deletions".to_owned(),
            help: "see".to_owned(),
            position: None,
            can_be_acknowledged,
        }
    }

    #[test]
    fn a_comment_fits_with_the_words_on_acknowledgement_too() {
        let many = |number: usize| {
            create(
                key("Tenant", "w", &format!("t{number}")),
                &json!({"spec": {"notes": format!("{number} {}", "x".repeat(300))}}),
            )
        };
        let mut big = plan((0..500).map(many).collect());
        big.actions.push(delete(key("Tenant", "w", "gone"), &json!({})));
        for refusals in [vec![], vec![refused(true)], vec![refused(false), refused(true)]] {
            big.refusals = refusals;
            // The words take their room from the plan's.
            let help = acknowledgement(&big);
            let max_bytes = 20_000 - help.len();
            let shown =
                plan_markdown::markdown(&big, &context(), &MarkdownOptions { max_bytes, ..options() });
            assert_eq!(comment(&big, &context(), 20_000), shown + &help);
            let text = comment(&big, &context(), 65_000);
            assert!(text.starts_with(&format!("<!-- synthex:plan:default:{} -->\n", big.digest())));
            assert_eq!(text.contains("--ack-deletes 1\n"), !big.refusals.is_empty());
        }
    }

    #[test]
    fn what_nothing_acknowledges_is_not_said_to_be() {
        let mut plan = everything();
        plan.refusals = vec![refused(false)];
        assert!(comment(&plan, &context(), 65_000).ends_with("change the manifests as each of them says.\n"));
        plan.refusals = Vec::new();
        assert!(!comment(&plan, &context(), 65_000).contains("all the same"));
    }

    #[test]
    fn annotations_are_placed_from_the_root() {
        let text = "::error file=m/a.yaml,line=1,col=2,title=X::a file=b\n::warning title=X::at file=b\n::error file=/a,line=1::c\n";
        assert_eq!(
            below("shops,1", text),
            "::error file=shops%2C1/m/a.yaml,line=1,col=2,title=X::a file=b\n::warning title=X::at file=b\n::error file=/a,line=1::c\n"
        );
        assert_eq!(below("", text), text);
    }

    #[test]
    fn an_annotation_is_one_line() {
        assert_eq!(
            annotation(("a\n::error::b", Some("50 %"), None)),
            "::error title=synthex::a\\n::error::b%0A50 %25\n"
        );
    }
}
