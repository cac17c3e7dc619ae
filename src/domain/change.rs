//! What a runner's change log tells of.

/// The kinds of objects that a runner sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// The runner's own settings and keys.
    Runner,
    /// An SCM integration.
    Integration,
    /// Somebody's credential at a host.
    HostToken,
    /// An environment class.
    EnvironmentClass,
    /// An LLM integration.
    LlmIntegration,
}

impl ObjectKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::Runner, Self::Integration, Self::HostToken, Self::EnvironmentClass, Self::LlmIntegration];

    /// The name that the change log stores.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Runner => "runner",
            Self::Integration => "scm_integration",
            Self::HostToken => "host_token",
            Self::EnvironmentClass => "environment_class",
            Self::LlmIntegration => "llm_integration",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names are stored: a new spelling loses every change that is in a log already.
    #[test]
    fn names_are_the_stored_ones() {
        let stored = ["runner", "scm_integration", "host_token", "environment_class", "llm_integration"];
        assert_eq!(ObjectKind::ALL.map(ObjectKind::name), stored);
        assert_eq!(stored.map(ObjectKind::from_name), ObjectKind::ALL.map(Some));
        assert_eq!(ObjectKind::from_name("widget"), None);
    }
}
