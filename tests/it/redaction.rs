//! No `Debug` of a message on the wire, or of what it becomes, prints a secret.
use std::fmt::Debug;

use clap::{Args, FromArgMatches};
use sealink::{
    cli::serve,
    config::Settings,
    domain::{integration::Draft, integration_patch::Patch, runner::NewRunner, runner_patch::RunnerPatch},
    pb::{gitpod::v1 as gitpod, sealink::v1 as own},
};

const CANARY: &str = "canary-7b1f";

fn text() -> String {
    CANARY.into()
}

fn bytes() -> Vec<u8> {
    CANARY.into()
}

/// Whether the canary can be read in what `Debug` prints, as text or as a list of bytes.
fn leaks<M: Debug>(message: &M) -> bool {
    let printed = format!("{message:?}");
    printed.contains(CANARY) || printed.contains(&format!("{:?}", CANARY.as_bytes()))
}

/// The message is named, and the canary is not there.
fn hides<M: Debug>(name: &str, message: &M) {
    assert!(format!("{message:?}").contains(name), "{name} is not named");
    assert!(!leaks(message), "{name} prints its secret");
}

#[test]
fn the_probe_sees_a_leak() {
    assert!(leaks(&gitpod::CreateScmIntegrationRequest { host: text(), ..Default::default() }));
    assert!(leaks(&gitpod::ScmIntegrationOAuthConfig {
        encrypted_client_secret: bytes(),
        ..Default::default()
    }));
}

#[test]
fn scm_integrations() {
    use gitpod::validate_runner_configuration_request::{
        Config, ValidateScmIntegration, validate_scm_integration::OauthClientSecret,
    };
    let oauth_plaintext_client_secret = Some(text());
    let request = gitpod::CreateScmIntegrationRequest { oauth_plaintext_client_secret, ..Default::default() };
    hides("CreateSCMIntegrationRequest", &request);
    let oauth_plaintext_client_secret = Some(text());
    let request = gitpod::UpdateScmIntegrationRequest { oauth_plaintext_client_secret, ..Default::default() };
    hides("UpdateSCMIntegrationRequest", &request);

    let secret = OauthClientSecret::OauthPlaintextClientSecret(text());
    hides("oauth_client_secret", &secret);
    let integration = ValidateScmIntegration { oauth_client_secret: Some(secret), ..Default::default() };
    hides("ValidateSCMIntegration", &integration);
    let request = gitpod::ValidateRunnerConfigurationRequest {
        config: Some(Config::ScmIntegration(integration)),
        ..Default::default()
    };
    hides("ValidateRunnerConfigurationRequest", &request);
}

#[test]
fn host_tokens() {
    let request = gitpod::CreateHostAuthenticationTokenRequest {
        token: text(),
        refresh_token: text(),
        ..Default::default()
    };
    hides("CreateHostAuthenticationTokenRequest", &request);
    let request = gitpod::UpdateHostAuthenticationTokenRequest {
        token: Some(text()),
        refresh_token: Some(text()),
        ..Default::default()
    };
    hides("UpdateHostAuthenticationTokenRequest", &request);
}

#[test]
fn llm_integrations() {
    let header = gitpod::LlmIntegrationRequestHeader { value: bytes(), ..Default::default() };
    hides("LLMIntegrationRequestHeader", &header);
    let request = gitpod::CreateLlmIntegrationRequest { api_key: text(), ..Default::default() };
    hides("CreateLLMIntegrationRequest", &request);
    let request = gitpod::UpdateLlmIntegrationRequest {
        api_key: Some(text()),
        request_headers: vec![header],
        ..Default::default()
    };
    hides("UpdateLLMIntegrationRequest", &request);
}

#[test]
fn runner_configurations() {
    use gitpod::update_runner_request::{MetricsConfiguration, RunnerConfiguration, Spec};
    let metrics = gitpod::MetricsConfiguration { password: text(), ..Default::default() };
    hides("MetricsConfiguration", &metrics);
    let configuration = gitpod::RunnerConfiguration { metrics: Some(metrics), ..Default::default() };
    let spec = gitpod::RunnerSpec { configuration: Some(configuration), ..Default::default() };
    hides("CreateRunnerRequest", &gitpod::CreateRunnerRequest { spec: Some(spec), ..Default::default() });

    let metrics = MetricsConfiguration { password: Some(text()), ..Default::default() };
    hides("MetricsConfiguration", &metrics);
    let configuration =
        RunnerConfiguration { metrics: Some(metrics), honeycomb_api_key: Some(text()), ..Default::default() };
    hides("RunnerConfiguration", &configuration);
    let spec = Spec { configuration: Some(configuration), ..Default::default() };
    hides("UpdateRunnerRequest", &gitpod::UpdateRunnerRequest { spec: Some(spec), ..Default::default() });
}

#[test]
#[expect(deprecated, reason = "the old members must not leak either")]
fn tokens() {
    let response =
        gitpod::CreateRunnerResponse { access_token: text(), exchange_token: text(), ..Default::default() };
    hides("CreateRunnerResponse", &response);
    let response = gitpod::CreateRunnerTokenResponse { access_token: text(), exchange_token: text() };
    hides("CreateRunnerTokenResponse", &response);
    hides("CreateRunnerLogsTokenResponse", &gitpod::CreateRunnerLogsTokenResponse { access_token: text() });
    hides("GetIDTokenResponse", &gitpod::GetIdTokenResponse { token: text() });
    hides("ExchangeTokenRequest", &gitpod::ExchangeTokenRequest { exchange_token: text() });
    hides("ExchangeTokenResponse", &gitpod::ExchangeTokenResponse { access_token: text() });
    hides("CreateTokenResponse", &own::CreateTokenResponse { token: text(), ..Default::default() });
}

#[test]
fn key_registration() {
    let response = own::BeginKeyRegistrationResponse {
        challenge_new: bytes(),
        challenge_old: Some(bytes()),
        ..Default::default()
    };
    hides("BeginKeyRegistrationResponse", &response);
    let request = own::CompleteKeyRegistrationRequest {
        answer_new: bytes(),
        answer_old: Some(bytes()),
        ..Default::default()
    };
    hides("CompleteKeyRegistrationRequest", &request);
}

#[test]
fn what_requests_become() {
    use gitpod::update_runner_request::{MetricsConfiguration, RunnerConfiguration, Spec};
    let request = gitpod::CreateScmIntegrationRequest {
        runner_id: "0198a7c0-0000-7000-8000-000000000001".into(),
        oauth_plaintext_client_secret: Some(text()),
        ..Default::default()
    };
    hides("Plaintext", &Draft::try_from(request).unwrap());
    let oauth_plaintext_client_secret = Some(text());
    let request = gitpod::UpdateScmIntegrationRequest { oauth_plaintext_client_secret, ..Default::default() };
    hides("Secret", &Patch::try_from(request).unwrap());

    let metrics = gitpod::MetricsConfiguration { password: text(), ..Default::default() };
    let configuration = gitpod::RunnerConfiguration { metrics: Some(metrics), ..Default::default() };
    let spec = gitpod::RunnerSpec { configuration: Some(configuration), ..Default::default() };
    let request = gitpod::CreateRunnerRequest { spec: Some(spec), ..Default::default() };
    hides("Secret", &NewRunner::try_from(request).unwrap());

    let metrics = MetricsConfiguration { password: Some(text()), ..Default::default() };
    let configuration =
        RunnerConfiguration { metrics: Some(metrics), honeycomb_api_key: Some(text()), ..Default::default() };
    let spec = Some(Spec { configuration: Some(configuration), ..Default::default() });
    hides(
        "Secret",
        &RunnerPatch::try_from(gitpod::UpdateRunnerRequest { spec, ..Default::default() }).unwrap(),
    );
}

#[test]
fn database_urls() {
    let url = format!("postgres://sealink:{CANARY}@db/sealink");
    let settings = Settings::load(None, &[("database.url", url.clone())]).unwrap();
    hides("DatabaseUrl", &settings);
    hides("Postgres", &settings.location().unwrap());

    let command = serve::Args::augment_args(clap::Command::new("serve"));
    let matches = command.try_get_matches_from(["serve", "--database-url", &url]).unwrap();
    hides("DatabaseUrl", &serve::Args::from_arg_matches(&matches).unwrap());
}
