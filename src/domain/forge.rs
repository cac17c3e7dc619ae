//! What forges say, in the words of none of them.

/// Whom an access token belongs to at a forge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The forge's own id of the person: a number, as text.
    pub uid: String,
    /// The login.
    pub username: String,
    /// `None` if the forge keeps it to itself.
    pub email: Option<String>,
    /// A picture.
    pub avatar_url: Option<String>,
    /// The person's page.
    pub profile_url: String,
}

/// A list that was read to its end, or as far as lists are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// In the forge's order.
    pub items: Vec<T>,
    /// Whether there are more, or may be.
    pub truncated: bool,
}

/// A public SSH key that a person has at a forge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgeKey {
    /// What the person calls it.
    pub title: String,
    /// As in `authorized_keys`.
    pub content: String,
}

/// A repository that a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRepository {
    /// The forge's number of it.
    pub id: u64,
    /// `hello`.
    pub name: String,
    /// `octocat/hello`.
    pub full_name: String,
    /// Its page; empty if what the forge says is no URL for people.
    pub url: String,
    /// In its owner's words.
    pub description: Option<String>,
}

/// An organization or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// The forge's number of it.
    pub id: u64,
    /// As it stands in URLs: `octo`, `group/subgroup`.
    pub login: String,
    /// A picture.
    pub avatar_url: String,
    /// Where the forge's API has it.
    pub url: String,
    /// In its own words.
    pub description: Option<String>,
}

/// A pull or merge request that a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPull {
    /// The forge's number of it.
    pub id: u64,
    /// Its number in the repository.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its page; empty as that of a repository.
    pub html_url: String,
    /// `owner/name` of the repository it comes from; empty if that is gone, not for the account to see, or one of so
    /// many that it was not asked for.
    pub source_name: String,
    /// That repository's page; empty likewise.
    pub source_url: String,
}

impl<T> Listed<T> {
    /// Nothing, read to its end.
    #[must_use]
    pub fn empty() -> Self {
        Self { items: Vec::new(), truncated: false }
    }

    /// The same list in other words.
    #[must_use]
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Listed<U> {
        Listed { items: self.items.into_iter().map(convert).collect(), truncated: self.truncated }
    }
}
