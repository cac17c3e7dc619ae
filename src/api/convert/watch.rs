//! A runner's configuration as its agents see it. A new kind of object is one arm of [`object`] and one of
//! [`gone`].
use uuid::Uuid;

use super::{
    configured, environment_class, llm_integration, runner_spec,
    secret::{kid, secret_state},
};
use crate::{
    domain::{
        environment_class::EnvironmentClass, integration::Integration, llm_integration::LlmIntegration,
        runner::Runner, secret_state::SecretState,
    },
    pb::{
        gitpod::v1::Subject,
        sealink::v1::{
            ConfigurationObject, ConfigurationSnapshot, ConfiguredLlmIntegration, ConfiguredSpec,
            DeletedObject, KeepAlive, WatchConfigurationResponse, configuration_object, deleted_object,
            watch_configuration_response::Event as Message,
        },
    },
    service::{Event, Gone, Object, Seen, Snapshot, Step},
};

/// One message of a watch.
pub(crate) fn watched(epoch: Uuid, step: &Step) -> WatchConfigurationResponse {
    let (revision, event) = match step {
        Step::Snapshot(snapshot) => {
            let Snapshot { runner, objects } = &**snapshot;
            let settings = std::iter::once(configuration_object::Object::Spec(spec(runner)));
            let integrations = objects.integrations.iter();
            let integrations = integrations.map(|one| integration(one, runner));
            let classes = objects.classes.iter().map(class);
            let llm = objects.llm_integrations.iter().map(|one| llm(one.clone(), runner));
            let objects = settings.chain(integrations).chain(classes).chain(llm);
            let objects = objects.map(|object| ConfigurationObject { object: Some(object) }).collect();
            let snapshot = ConfigurationSnapshot { runner_id: runner.id.to_string(), objects };
            (runner.revision, Message::Snapshot(snapshot))
        }
        Step::Change(event) => (event.revision, change(event)),
        Step::KeepAlive(revision) => (*revision, Message::KeepAlive(KeepAlive {})),
    };
    WatchConfigurationResponse { epoch: epoch.to_string(), revision, event: Some(event) }
}

fn change(event: &Event) -> Message {
    match &event.seen {
        Seen::Put(seen) => Message::Put(ConfigurationObject { object: Some(object(seen, &event.runner)) }),
        Seen::Deleted(seen) => Message::Deleted(DeletedObject { object: Some(gone(seen)) }),
        Seen::Nothing => Message::KeepAlive(KeepAlive {}),
    }
}

fn object(object: &Object, runner: &Runner) -> configuration_object::Object {
    match object {
        Object::Runner => configuration_object::Object::Spec(spec(runner)),
        Object::Integration(one) => integration(one, runner),
        Object::Class(one) => class(one),
        Object::Llm(one) => llm((**one).clone(), runner),
    }
}

fn gone(gone: &Gone) -> deleted_object::Object {
    match gone {
        Gone::Integration(id) => deleted_object::Object::ScmIntegrationId(id.to_string()),
        Gone::Class(id) => deleted_object::Object::EnvironmentClassId(id.to_string()),
        Gone::Llm(id) => deleted_object::Object::LlmIntegrationId(id.to_string()),
        Gone::HostToken(host, subject) => deleted_object::Object::HostToken(deleted_object::HostToken {
            host: host.clone(),
            subject: Some(Subject { id: subject.to_string(), ..Subject::default() }),
        }),
    }
}

fn integration(integration: &Integration, runner: &Runner) -> configuration_object::Object {
    configuration_object::Object::ScmIntegration(configured(integration, runner))
}

fn class(class: &EnvironmentClass) -> configuration_object::Object {
    configuration_object::Object::EnvironmentClass(environment_class(class.clone()))
}

fn llm(integration: LlmIntegration, runner: &Runner) -> configuration_object::Object {
    configuration_object::Object::LlmIntegration(configured_llm(integration, runner))
}

/// An LLM integration as its runner sees it.
pub(crate) fn configured_llm(integration: LlmIntegration, runner: &Runner) -> ConfiguredLlmIntegration {
    let api_key = integration.api_key.as_ref();
    let state = SecretState::of_kid(api_key.map(|key| &key.kid), runner);
    ConfiguredLlmIntegration {
        kid: kid(api_key),
        secret_state: secret_state(state).into(),
        version: integration.version,
        header_kids: integration.headers.iter().map(|header| kid(header.value.as_ref())).collect(),
        integration: Some(llm_integration(integration)),
    }
}

fn spec(runner: &Runner) -> ConfiguredSpec {
    ConfiguredSpec { spec: Some(runner_spec(runner)), honeycomb_kid: kid(runner.honeycomb_key.as_ref()) }
}
