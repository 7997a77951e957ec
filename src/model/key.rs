//! Names, and the key that identifies a resource everywhere: kind, workspace, name.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::kind::{KindRef, Scope};

/// What a name may look like; the schemas, the decoder and the database's CHECKs all use this one pattern.
pub const NAME_PATTERN: &str = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$";

/// Whether a text is a valid name ([`NAME_PATTERN`]).
#[must_use]
pub fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 128
        && bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// Identifies a resource. Ordered by kind in dependency order, then workspace, then name.
#[derive(Clone)]
pub struct ResourceKey {
    /// The kind, from the registry.
    pub kind: KindRef,
    /// The workspace; for a `Workspace` its own name.
    pub workspace: Arc<str>,
    /// The name within the workspace and kind.
    pub name: Box<str>,
}

impl ResourceKey {
    /// Puts a key together. For a kind that is not in a workspace, the workspace is the resource's own name.
    #[must_use]
    pub fn new(kind: KindRef, workspace: Arc<str>, name: &str) -> Self {
        Self { kind, workspace, name: name.into() }
    }

    /// The parts that order and identify a key.
    fn parts(&self) -> (u8, &str, &str) {
        (self.kind.rank, &self.workspace, &self.name)
    }

    /// Compares with the parts of a key that was not built.
    #[must_use]
    pub fn cmp_parts(&self, rank: u8, workspace: &str, name: &str) -> Ordering {
        self.parts().cmp(&(rank, workspace, name))
    }
}

impl PartialEq for ResourceKey {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}
impl Eq for ResourceKey {}
impl PartialOrd for ResourceKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for ResourceKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}
impl Hash for ResourceKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind.scope {
            Scope::Global => write!(f, "{}/{}", self.kind.slug, self.name),
            Scope::Workspace => write!(f, "{}/{}/{}", self.kind.slug, self.workspace, self.name),
        }
    }
}
impl fmt::Debug for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_pattern() {
        let long = "a".repeat(128);
        for good in ["a", "SMB_CLIENT_001", "9.x-y", long.as_str()] {
            assert!(is_name(good), "{good}");
        }
        let too_long = "a".repeat(129);
        for bad in ["", "-a", ".a", "a b", "ä", "a/b", "a\n", too_long.as_str()] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
