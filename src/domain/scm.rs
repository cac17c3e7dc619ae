//! The source-control systems a runner can be configured for, and what each allows.
use crate::error::{Error, Result};

/// A known SCM, by the public id that requests use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scm {
    /// github.com and GitHub Enterprise Server.
    GitHub,
    /// gitlab.com and self-hosted GitLab.
    GitLab,
    /// Bitbucket Cloud.
    Bitbucket,
    /// Azure DevOps Services with an Entra application.
    AzureEntra,
    /// Azure DevOps Server.
    AzureServer,
    /// Gitea.
    Gitea,
    /// Forgejo.
    Forgejo,
}

impl Scm {
    /// Every SCM a runner offers before it has pushed a schema of its own.
    pub const ALL: [Self; 7] = [
        Self::GitHub,
        Self::GitLab,
        Self::Bitbucket,
        Self::AzureEntra,
        Self::AzureServer,
        Self::Gitea,
        Self::Forgejo,
    ];

    /// The public id.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Bitbucket => "bitbucket",
            Self::AzureEntra => "azuredevops_entra",
            Self::AzureServer => "azuredevops_server",
            Self::Gitea => "gitea",
            Self::Forgejo => "forgejo",
        }
    }

    /// The name people know it by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GitHub => "GitHub",
            Self::GitLab => "GitLab",
            Self::Bitbucket => "Bitbucket",
            Self::AzureEntra => "Azure DevOps",
            Self::AzureServer => "Azure DevOps Server",
            Self::Gitea => "Gitea",
            Self::Forgejo => "Forgejo",
        }
    }

    /// Where its vendor hosts it; `None` for those that people host themselves.
    #[must_use]
    pub const fn default_host(self) -> Option<&'static str> {
        match self {
            Self::GitHub => Some("github.com"),
            Self::GitLab => Some("gitlab.com"),
            Self::Bitbucket => Some("bitbucket.org"),
            Self::AzureEntra => Some("dev.azure.com"),
            Self::AzureServer | Self::Gitea | Self::Forgejo => None,
        }
    }

    /// What a personal access token must allow, in the forge's own words.
    #[must_use]
    pub const fn token_scopes(self) -> &'static str {
        match self {
            Self::GitHub => "A classic token with repo, read:user, user:email and workflow",
            Self::GitLab => "A token with api and read_repository",
            Self::Bitbucket => "A token with account, repository, repository:write and pullrequests",
            Self::AzureEntra | Self::AzureServer => {
                "A token for all accessible organizations that reads and writes code"
            }
            Self::Gitea | Self::Forgejo => "A token with read:user and write:repository",
        }
    }

    /// Where its vendor explains how to make one.
    #[must_use]
    pub const fn token_docs(self) -> &'static str {
        match self {
            Self::GitHub => {
                "https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/managing-your-personal-access-tokens"
            }
            Self::GitLab => "https://docs.gitlab.com/user/profile/personal_access_tokens/",
            Self::Bitbucket => "https://support.atlassian.com/bitbucket-cloud/docs/access-tokens/",
            Self::AzureEntra | Self::AzureServer => {
                "https://learn.microsoft.com/en-us/azure/devops/organizations/accounts/use-personal-access-tokens-to-authenticate"
            }
            Self::Gitea => "https://docs.gitea.com/development/api-usage",
            Self::Forgejo => "https://forgejo.org/docs/latest/user/api-usage/",
        }
    }

    /// Finds an SCM by its id.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) on `scm_id`, listing the known ids.
    pub fn parse(id: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|scm| scm.id() == id).ok_or_else(|| {
            let known = Self::ALL.map(Self::id).join(", ");
            Error::invalid("scm_id", "sealink.scm_id", format!("value must be one of {known}"))
        })
    }

    /// Whether users can sign in by OAuth.
    #[must_use]
    pub const fn supports_oauth(self) -> bool {
        !matches!(self, Self::AzureServer)
    }

    /// Whether an OAuth app has an issuer of its own, which must then be given.
    #[must_use]
    pub const fn has_issuer(self) -> bool {
        matches!(self, Self::AzureEntra)
    }

    /// Whether repositories live under a virtual directory, which must then be given.
    #[must_use]
    pub const fn has_virtual_directory(self) -> bool {
        matches!(self, Self::AzureServer)
    }

    /// Whether a host may carry an organization: `dev.azure.com/contoso`.
    #[must_use]
    pub const fn host_has_organization(self) -> bool {
        matches!(self, Self::AzureEntra)
    }
}
