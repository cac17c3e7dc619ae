//! What is a member's own: public SSH keys and accounts at forges.
use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use sealink::{
    clock::Instant,
    domain::{
        account::{Account, ForgeUrl, ScmType},
        forge::Profile,
        id::{AccountId, SshKeyId, UserId},
        ssh_key::{MOST_KEYS, NewSshKey, SshPublicKey},
    },
    error::Kind,
};
use uuid::Uuid;

use super::world::{World, new_id, now};

/// A key that nobody has, with fresh ids.
fn fresh() -> (SshKeyId, Uuid, NewSshKey) {
    let id = new_id();
    let parts: [&[u8]; 3] = [b"\0\0\0\x0bssh-ed25519\0\0\0\x20", &[3; 16], id.as_bytes()];
    let line = format!("ssh-ed25519 {}", STANDARD.encode(parts.concat()));
    let key = SshPublicKey::parse(&line).unwrap();
    (SshKeyId(new_id()), new_id(), NewSshKey::imported(ScmType::Gitea, "laptop", key))
}

pub(super) async fn keys_are_imported_all_or_none(world: Arc<World>) {
    let (organization, admin) = (world.organization, world.admin);
    let import = async |new| world.store.import_ssh_keys(world.actor(), admin, new).await;
    let many: Vec<_> = (1..MOST_KEYS).map(|_| fresh()).collect();
    assert_eq!(import(many.clone()).await.unwrap().len(), MOST_KEYS - 1);
    let census = world.census().await;
    let error = import(vec![fresh(), fresh()]).await.unwrap_err();
    assert_eq!((error.kind(), error.violations()[0].field.as_str()), (Kind::Precondition, "content"));
    assert_eq!(world.store.ssh_keys(organization, admin).await.unwrap().len(), MOST_KEYS - 1);
    assert_eq!(world.census().await, census, "a refused import left something");
    // What is there already does not count, nor is it answered or audited.
    let (again, last) = (many[0].2.clone(), fresh());
    let imported = import(vec![(SshKeyId(new_id()), new_id(), again), last.clone()]).await.unwrap();
    assert_eq!(imported.iter().map(|key| key.id).collect::<Vec<_>>(), [last.0]);
    let audited = "SELECT count(*) FROM audit_entry WHERE action = 'ssh_key.create'";
    assert_eq!(world.raw.number(audited).await, i64::try_from(MOST_KEYS).unwrap());
}

fn account(member: UserId) -> Account {
    Account {
        id: AccountId(new_id()),
        member,
        scm_type: ScmType::Gitea,
        url: ForgeUrl::from_stored("https://git.example.com".into(), String::new()),
        profile: Profile {
            uid: "1".into(),
            username: "octo".into(),
            email: None,
            avatar_url: None,
            profile_url: "https://git.example.com/octo".into(),
        },
        created_at: now(),
        version: 1,
        profiled_at: Instant(1),
    }
}

pub(super) async fn what_is_a_members_own_is_found_by_it_alone(world: Arc<World>) {
    let (organization, member) = (world.organization, world.admin);
    let (stranger, other) = world.stranger().await;
    let account = account(member);
    let (store, id) = (&world.store, account.id);
    store.create_account(world.actor(), account.clone(), vec![7; 73]).await.unwrap();
    store.import_ssh_keys(world.actor(), member, vec![fresh()]).await.unwrap();
    assert_eq!(store.account_token(organization, member, id).await.unwrap(), Some(vec![7; 73]));
    for (organization, member) in
        [(stranger.organization, member), (organization, other), (stranger.organization, other)]
    {
        assert_eq!(store.accounts(organization, member).await.unwrap().all.len(), 0);
        assert_eq!(store.ssh_keys(organization, member).await.unwrap().len(), 0);
        assert_eq!(store.account_token(organization, member, id).await.unwrap(), None);
    }
    for (actor, member) in [(stranger.clone(), member), (world.actor(), other)] {
        let theirs = Account { member, ..account.clone() };
        let error = store.replace_account_token(actor, theirs, vec![8; 73]).await.unwrap_err();
        assert_eq!((error.kind(), error.resource()), (Kind::NotFound, Some("account")));
    }
    assert_eq!(store.account_token(organization, member, id).await.unwrap(), Some(vec![7; 73]));
    let old = Account { version: 2, ..account };
    let error = store.replace_account_token(world.actor(), old, vec![8; 73]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
}

/// Of many who see that a profile is old, one asks; a profile of an older token is not stored.
pub(super) async fn one_asks_for_a_profile(world: Arc<World>) {
    let store = &world.store;
    let mut account = account(world.admin);
    store.create_account(world.actor(), account.clone(), vec![7; 73]).await.unwrap();
    let claims = (0..20).map(|_| store.claim_profile(account.id, Instant(1), Instant(2)));
    let claimed = futures_util::future::join_all(claims).await;
    assert_eq!(claimed.into_iter().filter(|claim| *claim.as_ref().unwrap()).count(), 1);
    assert!(!store.claim_profile(AccountId(new_id()), Instant(1), Instant(2)).await.unwrap());
    let read = async || store.accounts(world.organization, world.admin).await.unwrap().all[0].clone();
    assert_eq!(read().await, Account { profiled_at: Instant(2), ..account.clone() });

    account.profile.username = "renamed".into();
    store.update_profile(world.actor(), account.clone()).await.unwrap();
    assert_eq!(read().await.profile, account.profile);
    let audited = "SELECT count(*) FROM audit_entry WHERE action = 'scm_account.refresh'";
    assert_eq!(world.raw.number(audited).await, 1);
    store.replace_account_token(world.actor(), account.clone(), vec![8; 73]).await.unwrap();
    let before = read().await;
    assert!(before.profiled_at > Instant(2), "a replaced token brings a profile");
    let (stranger, _) = world.stranger().await;
    for (actor, version) in [(world.actor(), 1), (stranger, 2)] {
        let mut late = Account { version, ..account.clone() };
        late.profile.username = "late".into();
        store.update_profile(actor, late).await.unwrap();
    }
    assert_eq!(read().await, before);
    assert_eq!(world.raw.number(audited).await, 1);
}
