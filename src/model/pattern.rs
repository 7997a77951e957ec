//! Patterns that name resources on a command line and in the project file: `tenant/anz-smb/SHOP_*`, `tenant/acme`, `acme*`.

use super::key::ResourceKey;

/// KIND/WORKSPACE/NAME, KIND/NAME or NAME; `*` stands for any characters. Upper and lower case are told apart only in
/// workspaces and names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPattern {
    text: String,
}

impl KeyPattern {
    /// A pattern.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned() }
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it names a resource.
    #[must_use]
    pub fn matches(&self, key: &ResourceKey) -> bool {
        let parts = (self.text.split('/').count(), self.text.contains('*'));
        if parts == (1, false) {
            return *key.name == *self.text;
        }
        let slug = key.kind.slug;
        let with_kind = |rest: &str| {
            let (kind, pattern) = self.text.split_once('/').unwrap_or_default();
            let kind = kind.to_lowercase();
            (glob(&kind, slug) || glob(&kind, &key.kind.name.to_lowercase())) && glob(pattern, rest)
        };
        match parts.0 {
            1 => glob(&self.text, &key.name),
            2 => with_kind(&key.name),
            _ => with_kind(&format!("{}/{}", key.workspace, key.name)),
        }
    }
}

/// Whether a text fits a pattern in which `*` stands for any characters.
#[must_use]
pub fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    let mut rest = rest;
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, expected) in [
            ("acme", "acme", true),
            ("acme", "acme2", false),
            ("tenant/*/SHOP_*", "tenant/w/SHOP_1", true),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
