//! The command line that makes a plan again, for the help of a guard: what it says to type must work as it stands.

use crate::plan::Plan;

use super::args::Global;
use super::selecting::SelectArgs;

/// Options as they would be typed again.
#[derive(Clone, Debug, Default)]
pub struct Again {
    words: String,
}

impl Again {
    /// The options of every command that decide what is planned.
    #[must_use]
    pub fn new(global: &Global) -> Self {
        let mut again = Self::default();
        for file in &global.files {
            again.option("--file", Some(&file.to_string_lossy()));
        }
        again.option("--environment", global.environment.as_deref().filter(|name| !name.is_empty()));
        again.option("--workspace", global.workspace.as_deref());
        again
    }

    /// The options of a command that plans what is declared.
    #[must_use]
    pub fn of_plan(
        global: &Global,
        (prune, permanent): (bool, bool),
        take_ownership: &[String],
        changed_since: Option<&str>,
        select: &SelectArgs,
    ) -> Self {
        let mut again = Self::new(global);
        again.switch("--prune", prune);
        again.switch("--permanent", permanent);
        for pattern in take_ownership {
            again.option("--take-ownership", Some(pattern));
        }
        again.option("--changed-since", changed_since);
        select.put_into(&mut again);
        again
    }

    /// Adds an option that was given.
    pub fn option(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.words.push_str(&format!(" {name} {}", quoted(value)));
        }
    }

    /// Adds a switch that was given.
    pub fn switch(&mut self, name: &str, given: bool) {
        if given {
            self.words.push_str(&format!(" {name}"));
        }
    }

    /// Adds a word.
    pub fn word(&mut self, word: &str) {
        self.words.push_str(&format!(" {}", quoted(word)));
    }

    /// Makes the help of what is refused repeat these options.
    pub fn put_into(&self, plan: &mut Plan) {
        const APPLY: &str = "synthex apply";
        for refusal in &mut plan.refusals {
            let Some(at) = refusal.help.find(APPLY) else { continue };
            let rest = &refusal.help[at + APPLY.len()..];
            // A saved plan has the options of the run that made it.
            let rest = rest.find(" --ack-").map_or(rest, |end| &rest[end..]);
            refusal.help = format!("{}{APPLY}{}{rest}", &refusal.help[..at], self.words);
        }
    }
}

/// A word as a shell takes it for one.
#[must_use]
pub fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:@%+,-=".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_each_word_for_one() {
        for (word, expected) in [
            ("tenant/a-1", "tenant/a-1"),
            ("tenant/SHOP_*", "'tenant/SHOP_*'"),
            ("market in (A,B)", "'market in (A,B)'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
