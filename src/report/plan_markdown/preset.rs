//! The places where a plan is shown: how much fits there, and what of Markdown they know.

/// A place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// A comment on GitHub: 65,536 characters.
    #[default]
    Github,
    /// A note on GitLab: 1,000,000 characters.
    Gitlab,
    /// A comment on Bitbucket: 32,768 characters, and no HTML.
    Bitbucket,
    /// A comment on Azure DevOps: 150,000 characters.
    Azure,
    /// Markdown blocks of one Slack message: 12,000 characters, no HTML and no tables.
    Slack,
}

impl Preset {
    /// Every place.
    pub const ALL: [Self; 5] = [Self::Github, Self::Gitlab, Self::Bitbucket, Self::Azure, Self::Slack];

    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Bitbucket => "bitbucket",
            Self::Azure => "azure",
            Self::Slack => "slack",
        }
    }

    /// The most bytes that are written for it. A text never has more characters, counted in whatever way, than bytes.
    #[must_use]
    pub const fn max_bytes(self) -> usize {
        match self {
            Self::Github => 65_000,
            Self::Gitlab => 990_000,
            Self::Bitbucket => 32_000,
            Self::Azure => 149_000,
            Self::Slack => 11_900,
        }
    }

    /// Whether parts can be folded away.
    pub(super) const fn folds(self) -> bool {
        matches!(self, Self::Github | Self::Gitlab | Self::Azure)
    }

    /// Whether it shows tables.
    pub(super) const fn has_tables(self) -> bool {
        !matches!(self, Self::Slack)
    }
}
