//! The rule codes: what each one means, with an example. A code is never used again for something else.

mod environments;
mod explain;
mod guards;
mod limits;
mod monitoring;
mod references;
mod rows;
mod shape;
#[cfg(test)]
mod tests;
mod values;

pub use explain::human;

/// What a code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `SX0156`.
    pub code: &'static str,
    /// The rule in a few words.
    pub title: &'static str,
    /// Why it is there and what to do, with an example where one helps.
    pub text: &'static str,
}

const GROUPS: [&[Rule]; 8] = [
    &limits::RULES,
    &shape::RULES,
    &references::RULES,
    &environments::RULES,
    &values::RULES,
    &monitoring::RULES,
    &rows::RULES,
    &guards::RULES,
];

const COUNT: usize = {
    let mut count = 0;
    let mut group = 0;
    while group < GROUPS.len() {
        count += GROUPS[group].len();
        group += 1;
    }
    count
};

/// Every rule, sorted by code.
pub static RULES: &[Rule] = &{
    let mut all = [Rule { code: "", title: "", text: "" }; COUNT];
    let (mut next, mut group) = (0, 0);
    while group < GROUPS.len() {
        let mut index = 0;
        while index < GROUPS[group].len() {
            all[next] = GROUPS[group][index];
            next += 1;
            index += 1;
        }
        group += 1;
    }
    all
};

/// The rule with this code, written in either case.
#[must_use]
pub fn find(code: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.code.eq_ignore_ascii_case(code.trim()))
}
