//! Outputs in the forms in which CI systems read them, such that no value can add another output.

/// `name=value` for a later step of a GitHub workflow. The delimiter must be one that nobody can guess: a value that had it
/// on a line of its own would end there.
#[must_use]
pub fn github(outputs: &[(&str, String)], delimiter: &str) -> String {
    let one = |(name, value): &(&str, String)| {
        let name = name.replace('_', "-");
        let value = value.replace(delimiter, "");
        format!("{name}<<{delimiter}\n{value}\n{delimiter}\n")
    };
    outputs.iter().map(one).collect()
}

/// `SYNTHEX_NAME=value` for a dotenv report of GitLab, which knows no values of several lines.
#[must_use]
pub fn dotenv(outputs: &[(&str, String)]) -> String {
    let one = |(name, value): &(&str, String)| {
        let value = value.replace(char::is_control, " ");
        format!("SYNTHEX_{}={}\n", name.to_ascii_uppercase(), value.trim())
    };
    outputs.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evil() -> Vec<(&'static str, String)> {
        vec![("comment_file", "a\nEND\ndigest<<END\nfake\nEND".to_owned()), ("digest", "sha256:1".to_owned())]
    }

    #[test]
    fn a_value_never_adds_an_output() {
        assert_eq!(
            github(&evil(), "END"),
            "comment-file<<END\na\n\ndigest<<\nfake\n\nEND\ndigest<<END\nsha256:1\nEND\n"
        );
        assert_eq!(
            dotenv(&evil()),
            "SYNTHEX_COMMENT_FILE=a END digest<<END fake END\nSYNTHEX_DIGEST=sha256:1\n"
        );
    }
}
