//! What goes in comes out, to the last character and microsecond.
use std::sync::Arc;

use sealink::{
    clock::Instant,
    domain::{
        allowed_origins::AllowedOrigins,
        host::Host,
        id::{IntegrationId, UserId},
        integration::{Draft, OAuth},
        issuer::IssuerUrl,
        page::After,
        secret::{Kid, Plaintext, Sealed, Secret},
        text::plain_text,
        token::{Credential, TokenKind},
        user::{NewUser, Role},
    },
    error::Kind,
    store::{IntegrationScope, RecordUpdate},
};
use uuid::Uuid;

use super::world::{World, integration, new_id, page, token, user};

pub(super) async fn the_longest_values_come_back(world: Arc<World>) {
    let mut new = world.new_runner(&"🦭".repeat(127));
    let runner = new.id;
    new.configuration.region = "r".repeat(1_000);
    new.metrics_password = RecordUpdate::Set(vec![0xff; 8_192]);
    world.store.create_runner(world.actor(), new.clone()).await.unwrap();
    let stored = world.store.runner(world.organization, runner).await.unwrap().unwrap();
    assert_eq!((stored.name, stored.configuration), (new.name, new.configuration));
    let password = super::runners::passwords(&world.store).await;
    assert_eq!(password, vec![(runner, vec![0xff; 8_192])]);

    let kid = Kid("k".repeat(43));
    world.register(runner, &kid.0, None).await.unwrap();
    let mut longest = integration(runner, &format!("{}.example", "h".repeat(245)), None);
    longest.scm_id = "s".repeat(64);
    longest.virtual_directory = Some(format!("/{}", "d".repeat(254)));
    longest.oauth = Some(OAuth {
        client_id: "c".repeat(255),
        issuer: Some(IssuerUrl::from_stored(format!("https://{}", "i".repeat(2_040)))),
        // Every byte there is, zero included.
        secret: Some(Sealed { bytes: (0..8_192).map(|n: u32| n.to_le_bytes()[0]).collect(), kid }),
    });
    world.store.create_integration(world.actor(), world.admin, longest.clone()).await.unwrap();
    assert_eq!(world.stored(longest.id).await.unwrap(), longest);

    let id = UserId(new_id());
    let mut longest = user(&"n".repeat(63));
    (longest.email, longest.fullname) = ("e".repeat(254), "Ångström ".repeat(100));
    world.store.create_user(world.actor(), id, longest.clone()).await.unwrap();
    let stored = world.store.user(world.organization, id).await.unwrap().unwrap();
    assert_eq!((stored.email, stored.fullname), (longest.email, longest.fullname));

    let mut longest = token(TokenKind::Personal, Some(id), None);
    longest.description = "🔑".repeat(200);
    world.store.create_token(world.actor(), longest.clone(), "token.create").await.unwrap();
    let listed = world.store.tokens(world.organization, Some(id), page(1, After::START)).await.unwrap();
    let stored = &listed.rows[0];
    assert_eq!((&stored.description, &stored.id), (&longest.description, &longest.token_id));
    assert_eq!((stored.member, stored.runner, stored.kind), (Some(id), None, longest.kind));
    assert_eq!((stored.expires_at, stored.revoked_at), (longest.expires_at, None));
}

pub(super) async fn microseconds_come_back(world: Arc<World>) {
    let runner = world.runner().await;
    // 2009-02-13T23:31:30.123457Z, the first microsecond, and the last of the year 9999.
    for (number, at) in [1_234_567_890_123_457, 1, 253_402_300_799_999_999].into_iter().enumerate() {
        let mut new = integration(runner, &format!("h{number}.com"), None);
        (new.created_at, new.updated_at) = (Instant(at), Instant(at));
        world.store.create_integration(world.actor(), world.admin, new.clone()).await.unwrap();
        let stored = world.stored(new.id).await.unwrap();
        assert_eq!((stored.created_at, stored.updated_at), (Instant(at), Instant(at)));
        let (id, mut actor) = (UserId(new_id()), world.actor());
        actor.at = Instant(at);
        world.store.create_user(actor, id, user(&format!("u{number}"))).await.unwrap();
        let stored = world.store.user(world.organization, id).await.unwrap().unwrap();
        assert_eq!(stored.created_at, Instant(at));
    }
}

pub(super) async fn order_is_the_order_of_ids(world: Arc<World>) {
    let runner = world.runner().await;
    let mut ids: Vec<_> = [0x80, 0x7f, 0x01, 0xff, 0x00].map(|byte| Uuid::from_bytes([byte; 16])).into();
    ids[4] = Uuid::from_u128(1);
    for (number, id) in ids.iter().enumerate() {
        let mut new = integration(runner, &format!("h{number}.com"), None);
        new.id = IntegrationId(*id);
        world.store.create_integration(world.actor(), world.admin, new).await.unwrap();
    }
    let scope = IntegrationScope::Organization(world.organization);
    let found = world.store.integrations(scope, page(100, After::START)).await.unwrap();
    let found: Vec<_> = found.rows.iter().map(|row| row.id.0).collect();
    ids.sort();
    assert_eq!(found, ids, "ids are compared byte by byte, without sign");
}

pub(super) async fn hosts_are_unique_whatever_their_case(world: Arc<World>) {
    let runner = world.runner().await;
    let first = world.integrate(runner, "GitHub.Example.com", None).await;
    assert_eq!(world.stored(first.id).await.unwrap().host.as_str(), "GitHub.Example.com", "kept as sent");
    let again = integration(runner, "github.EXAMPLE.com", None);
    let refused = world.store.create_integration(world.actor(), world.admin, again).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::AlreadyExists);
    // But the SCM's id is an identifier and differs by case.
    let mut other = integration(runner, "github.example.com", None);
    other.scm_id = "GitHub".into();
    world.store.create_integration(world.actor(), world.admin, other).await.unwrap();
}

/// PostgreSQL refuses the character, SQLite stores it and then disagrees with itself about the length.
pub(super) async fn nul_is_refused_before_the_store(_: Arc<World>) {
    const NUL: &str = "a\0b";
    let draft = |edit: fn(&mut Draft)| {
        let mut draft = Draft {
            runner: sealink::domain::id::RunnerId(new_id()),
            scm_id: "azuredevops_server".into(),
            host: "dev.example.com".into(),
            client_id: None,
            client_secret: None,
            pat: true,
            issuer_url: None,
            virtual_directory: Some("/tfs".into()),
        };
        edit(&mut draft);
        draft.accept(&AllowedOrigins::default()).map(|_| ())
    };
    draft(|_| ()).unwrap();
    let github = |draft: &mut Draft| {
        (draft.scm_id, draft.virtual_directory) = ("github".into(), None);
        (draft.client_id, draft.client_secret) = (Some("c".into()), Some(Plaintext::new("s".into())));
    };
    draft(github).unwrap();
    let new_user = |name: &str, email: &str, full: &str| {
        NewUser::parse(name.into(), email.into(), full.into(), Role::Member).map(|_| ())
    };
    new_user("a", "a@b", "A B").unwrap();
    let refused = [
        draft(|draft| draft.scm_id = NUL.into()),
        draft(|draft| draft.host = NUL.into()),
        draft(|draft| draft.virtual_directory = Some(format!("/{NUL}"))),
        draft(|draft| {
            (draft.scm_id, draft.virtual_directory) = ("github".into(), None);
            (draft.client_id, draft.client_secret) = (Some(NUL.into()), Some(Plaintext::new("s".into())));
        }),
        draft(|draft| {
            (draft.scm_id, draft.virtual_directory) = ("github".into(), None);
            (draft.client_id, draft.client_secret) = (Some("c".into()), Some(Plaintext::new(NUL.into())));
        }),
        Host::parse(NUL.into(), false, &AllowedOrigins::default()).map(|_| ()),
        IssuerUrl::parse(format!("https://{NUL}")).map(|_| ()),
        Secret::parse("secret", NUL.into()).map(|_| ()),
        plain_text("name", NUL.into(), 127).map(|_| ()),
        new_user(NUL, "a@b", "A B"),
        new_user("a", "a\0@b", "A B"),
        new_user("a", "a@b", NUL),
    ];
    for (number, result) in refused.into_iter().enumerate() {
        assert_eq!(result.map_err(|error| error.kind()), Err(Kind::Invalid), "number {number}");
    }
    let preset = format!("{}\0", "x".repeat(40));
    assert!(Credential::parse(&preset).is_none());
    assert!(Credential::parse("sealink_pat_\0").is_none());
}
