//! Who is calling, and what that caller may do.
use uuid::Uuid;

use crate::{
    domain::{
        id::{OrganizationId, RunnerId, UserId},
        idempotency::Once,
        runner_policy::RunnerRole,
        token::TokenId,
        user::{MemberKind, Role},
    },
    error::{Error, Kind, Result},
};

/// Who a valid token acts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A person.
    User {
        /// The user.
        id: UserId,
        /// What it may do in its organization.
        role: Role,
    },
    /// A machine without a login. May do what a user of its role may.
    ServiceAccount {
        /// The service account.
        id: UserId,
        /// What it may do in its organization.
        role: Role,
    },
    /// A runner's agents.
    Runner {
        /// The runner; the token sees nothing but it.
        id: RunnerId,
    },
}

impl Principal {
    /// Its id, whatever it is.
    #[must_use]
    pub const fn id(self) -> Uuid {
        match self {
            Self::User { id, .. } | Self::ServiceAccount { id, .. } => id.0,
            Self::Runner { id } => id.0,
        }
    }

    /// A member of the organization and its role; `None` for a runner.
    #[must_use]
    pub const fn member(self) -> Option<(UserId, Role)> {
        match self {
            Self::User { id, role } | Self::ServiceAccount { id, role } => Some((id, role)),
            Self::Runner { .. } => None,
        }
    }
}

/// The authenticated caller of one request. The token decides all of it; no request can choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The organization everything the caller sees belongs to.
    pub organization: OrganizationId,
    /// Who it acts as.
    pub principal: Principal,
    /// True if only methods without side effects are allowed.
    pub read_only: bool,
    /// The token used.
    pub token: TokenId,
    /// How a request that names itself is to be handled.
    pub once: Option<Once>,
}

/// Which kinds of principal may call a method at all, before anything is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Every principal.
    Everyone,
    /// People and service accounts.
    Users,
    /// Those of them who administer the organization.
    Administrators,
    /// Administrators, and service accounts of any role.
    KeyReaders,
    /// The runner's own agents.
    Runners,
}

/// What the rules need to know of a runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunnerFacts {
    /// The runner.
    pub id: RunnerId,
    /// Where it belongs.
    pub organization: OrganizationId,
    /// Who created it and therefore administers it.
    pub creator: UserId,
}

/// Which runners a caller's lists may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visible {
    /// Every runner of the organization.
    Organization,
    /// Those a member created, and besides them those that policies give it a role on.
    CreatedBy(UserId),
    /// One runner.
    Only(RunnerId),
}

impl Caller {
    /// Whether this kind of principal may call a method meant for `audience`.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] if not, or if the token is read-only and the method has side effects.
    pub fn admit(&self, audience: Audience, no_side_effects: bool) -> Result<()> {
        if self.read_only && !no_side_effects {
            return Err(Error::new(Kind::Forbidden, "this token is read-only"));
        }
        let machine = matches!(self.principal, Principal::ServiceAccount { .. });
        match (audience, self.principal.member()) {
            (Audience::KeyReaders, _) if machine => Ok(()),
            (Audience::Everyone, _)
            | (Audience::Users, Some(_))
            | (Audience::Administrators | Audience::KeyReaders, Some((_, Role::Admin)))
            | (Audience::Runners, None) => Ok(()),
            (Audience::Users, _) => Err(forbidden("a runner's token may not do this")),
            (Audience::Administrators, _) => Err(forbidden("only organization administrators may do this")),
            (Audience::KeyReaders, _) => {
                Err(forbidden("only organization administrators and service accounts may do this"))
            }
            (Audience::Runners, _) => Err(forbidden("only the runner's own token may do this")),
        }
    }

    /// The id of what this request has made already, if it is a repeat. Whoever makes something asks this first,
    /// and answers with that; making it again fails.
    ///
    /// # Errors
    /// As [`Once::repeats`].
    pub fn repeats(&self) -> Result<Option<Uuid>> {
        self.once.as_ref().map_or(Ok(None), Once::repeats)
    }

    /// The same caller, for what a repeated request does anew.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self { once: None, ..self.clone() }
    }

    /// Whether the caller administers its organization.
    #[must_use]
    pub fn is_administrator(&self) -> bool {
        matches!(self.principal.member(), Some((_, Role::Admin)))
    }

    /// The calling user or service account.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] for a runner.
    pub fn user(&self) -> Result<UserId> {
        let member = self.principal.member();
        member.map(|(id, _)| id).ok_or_else(|| forbidden("a runner's token may not do this"))
    }

    /// Whether the caller is a person or a service account.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] for a runner.
    pub fn member_kind(&self) -> Result<MemberKind> {
        match self.principal {
            Principal::User { .. } => Ok(MemberKind::User),
            Principal::ServiceAccount { .. } => Ok(MemberKind::ServiceAccount),
            Principal::Runner { .. } => Err(forbidden("a runner's token may not do this")),
        }
    }

    /// The runner whose agent is calling.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] for anybody else.
    pub fn runner(&self) -> Result<RunnerId> {
        match self.principal {
            Principal::Runner { id } => Ok(id),
            Principal::User { .. } | Principal::ServiceAccount { .. } => {
                Err(forbidden("only the runner's own token may do this"))
            }
        }
    }

    /// The member whose policies decide what the caller may do with `runner`: one of its organization that
    /// neither administers that nor created the runner. `None`: policies have no say.
    #[must_use]
    pub fn subject_to_policies(&self, runner: &RunnerFacts) -> Option<UserId> {
        match self.principal.member() {
            Some((id, Role::Member)) if self.organization == runner.organization && id != runner.creator => {
                Some(id)
            }
            _ => None,
        }
    }

    /// What the caller may do with `runner`: everything for an organization's administrator, the runner's
    /// creator, and the runner itself; for other members what policies `granted`.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for another organization's runner, and for any runner but its own if the caller
    /// is a runner; [`Kind::Forbidden`] for a member without a role.
    pub fn role_on(&self, runner: &RunnerFacts, granted: Option<RunnerRole>) -> Result<RunnerRole> {
        match self.principal {
            _ if self.organization != runner.organization => Err(Error::not_found("runner")),
            Principal::Runner { id } if id != runner.id => Err(Error::not_found("runner")),
            _ if self.subject_to_policies(runner).is_none() => Ok(RunnerRole::Admin),
            _ => granted.ok_or_else(|| forbidden("you may not use this runner")),
        }
    }

    /// Whether the caller reaches `runner` whatever policies say: refuses also those whom a policy lets in.
    ///
    /// # Errors
    /// As [`Caller::role_on`] without a granted role.
    pub fn reach(&self, runner: &RunnerFacts) -> Result<()> {
        self.role_on(runner, None).map(|_| ())
    }

    /// Which runners, and things of runners, the caller's lists may show.
    #[must_use]
    pub fn visible(&self) -> Visible {
        match self.principal {
            Principal::Runner { id } => Visible::Only(id),
            Principal::User { id, role } | Principal::ServiceAccount { id, role } => match role {
                Role::Admin => Visible::Organization,
                Role::Member => Visible::CreatedBy(id),
            },
        }
    }
}

fn forbidden(message: &'static str) -> Error {
    Error::new(Kind::Forbidden, message)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn caller(organization: u128, principal: Principal) -> Caller {
        let organization = OrganizationId(id(organization));
        Caller { organization, principal, read_only: false, token: TokenId(String::new()), once: None }
    }

    fn member(number: u128, role: Role) -> Principal {
        Principal::User { id: UserId(id(number)), role }
    }

    /// Every kind of caller, whatever policies grant: (nothing, USER, ADMIN).
    #[test]
    fn roles_on_a_runner() {
        use Kind::{Forbidden, NotFound};
        use RunnerRole::{Admin, User};
        let runner =
            RunnerFacts { id: RunnerId(id(7)), organization: OrganizationId(id(1)), creator: UserId(id(2)) };
        let machine = Principal::ServiceAccount { id: UserId(id(3)), role: Role::Member };
        let agent = |number| Principal::Runner { id: RunnerId(id(number)) };
        for (organization, principal, expected) in [
            (1, member(3, Role::Admin), [Ok(Admin), Ok(Admin), Ok(Admin)]),
            (1, member(2, Role::Member), [Ok(Admin), Ok(Admin), Ok(Admin)]),
            (1, member(3, Role::Member), [Err(Forbidden), Ok(User), Ok(Admin)]),
            (1, machine, [Err(Forbidden), Ok(User), Ok(Admin)]),
            (1, agent(7), [Ok(Admin), Ok(Admin), Ok(Admin)]),
            (1, agent(8), [Err(NotFound), Err(NotFound), Err(NotFound)]),
            (2, member(3, Role::Admin), [Err(NotFound), Err(NotFound), Err(NotFound)]),
            (2, member(3, Role::Member), [Err(NotFound), Err(NotFound), Err(NotFound)]),
            (2, agent(7), [Err(NotFound), Err(NotFound), Err(NotFound)]),
        ] {
            let caller = caller(organization, principal);
            let found = [None, Some(User), Some(Admin)]
                .map(|granted| caller.role_on(&runner, granted).map_err(|error| error.kind()));
            assert_eq!(found, expected, "{caller:?}");
            // Whoever policies decide about is asked for, and nobody else.
            let decided = expected[0] != expected[1];
            assert_eq!(caller.subject_to_policies(&runner).is_some(), decided, "{caller:?}");
        }
    }

    /// Whose keys let whom in is read by administrators and by machines.
    #[test]
    fn key_readers_are_administrators_and_machines() {
        let machine = |role| Principal::ServiceAccount { id: UserId(id(3)), role };
        for (principal, admitted) in [
            (member(3, Role::Admin), true),
            (member(3, Role::Member), false),
            (machine(Role::Admin), true),
            (machine(Role::Member), true),
            (Principal::Runner { id: RunnerId(id(7)) }, false),
        ] {
            let answer = caller(1, principal).admit(Audience::KeyReaders, true);
            assert_eq!(answer.is_ok(), admitted, "{principal:?}");
        }
        let reads_only = Caller { read_only: true, ..caller(1, machine(Role::Member)) };
        assert!(reads_only.admit(Audience::KeyReaders, true).is_ok());
    }
}
