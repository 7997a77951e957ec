//! The digest that a comment stands for, read from its marker.

use thiserror::Error;

use crate::model::Digest;
use crate::report::plan_markdown::frame::place;

const OPENING: &str = "<!-- synthex:plan:";
const CLOSING: &str = " -->";

/// A comment that stands for no plan.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Unapproved {
    /// It is some other text.
    #[error("it has no marker (<!-- synthex:plan:ENVIRONMENT:DIGEST -->)")]
    NoMarker,
    /// One cannot tell which of them was approved.
    #[error("it has {0} markers, and it must have one")]
    Several(usize),
    /// There was no plan to approve.
    #[error("it says that no plan could be made")]
    NoPlan,
    /// Somebody edited it.
    #[error("its marker is damaged")]
    Damaged,
    /// The plan is for somewhere else.
    #[error("it is of environment `{found}`, and this is `{here}`")]
    Elsewhere {
        /// The comment's.
        found: String,
        /// Ours.
        here: String,
    },
}

/// The digest of the plan that a comment shows.
///
/// # Errors
/// It shows none, or that of another environment.
pub fn digest(comment: &str, environment: Option<&str>) -> Result<Digest, Unapproved> {
    let count = comment.matches(OPENING).count();
    let rest = match (count, comment.split_once(OPENING)) {
        (1, Some((_, rest))) => rest,
        (0, _) | (_, None) => return Err(Unapproved::NoMarker),
        (several, _) => return Err(Unapproved::Several(several)),
    };
    let marker = rest.split('\n').next().and_then(|line| line.split_once(CLOSING)).map(|(marker, _)| marker);
    let (found, word) = marker.and_then(|marker| marker.split_once(':')).ok_or(Unapproved::Damaged)?;
    let here = place(environment);
    if found != here {
        return Err(Unapproved::Elsewhere { found: found.to_owned(), here });
    }
    match word {
        "failed" => Err(Unapproved::NoPlan),
        word if word.starts_with("sha256:") => Digest::from_hex(word).ok_or(Unapproved::Damaged),
        _ => Err(Unapproved::Damaged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ci::comment;
    use crate::report::sample::{context, everything};

    #[test]
    fn a_comment_stands_for_the_plan_that_it_shows() {
        let mut plan = everything();
        assert_eq!(digest(&comment(&plan, &context(), 65_000), None), Ok(plan.digest()));
        plan.environment = Some("prod".to_owned());
        let text = comment(&plan, &context(), 65_000);
        assert_eq!(digest(&text, Some("prod")), Ok(plan.digest()));
        // As GitHub gives it back.
        assert_eq!(digest(&text.replace('\n', "\r\n"), Some("prod")), Ok(plan.digest()));
        let elsewhere = Unapproved::Elsewhere { found: "prod".to_owned(), here: "staging".to_owned() };
        assert_eq!(digest(&text, Some("staging")), Err(elsewhere));
        assert_eq!(digest(&format!("{text}{text}"), Some("prod")), Err(Unapproved::Several(2)));
    }

    #[test]
    fn other_texts_stand_for_nothing() {
        for (text, expected) in [
            ("", Unapproved::NoMarker),
            ("looks good", Unapproved::NoMarker),
            ("<!-- synthex:apply:default:sha256:00 -->", Unapproved::NoMarker),
            ("<!-- synthex:plan:default:failed -->\n", Unapproved::NoPlan),
            ("<!-- synthex:plan:default:sha256:00 -->\n", Unapproved::Damaged),
            ("<!-- synthex:plan:default:\nsha256:00 -->\n", Unapproved::Damaged),
            ("<!-- synthex:plan:default", Unapproved::Damaged),
        ] {
            assert_eq!(digest(text, None), Err(expected), "{text}");
        }
        let bare = format!("<!-- synthex:plan:default:{} -->", "0".repeat(64));
        assert_eq!(digest(&bare, None), Err(Unapproved::Damaged), "no digest is written like this");
    }
}
