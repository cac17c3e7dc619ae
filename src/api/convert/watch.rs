//! A runner's configuration as its agents see it. A new kind of object is one arm of [`object`] and one of
//! [`gone`].
use uuid::Uuid;

use super::{configured, runner_spec};
use crate::{
    domain::{integration::Integration, runner::Runner},
    pb::{
        gitpod::v1::Subject,
        sealink::v1::{
            ConfigurationObject, ConfigurationSnapshot, ConfiguredSpec, DeletedObject, KeepAlive,
            WatchConfigurationResponse, configuration_object, deleted_object,
            watch_configuration_response::Event as Message,
        },
    },
    service::{Event, Gone, Object, Seen, Step},
};

/// One message of a watch.
pub(crate) fn watched(epoch: Uuid, step: &Step) -> WatchConfigurationResponse {
    let (revision, event) = match step {
        Step::Snapshot(snapshot) => {
            let runner = &snapshot.runner;
            let settings = std::iter::once(configuration_object::Object::Spec(spec(runner)));
            let integrations = snapshot.integrations.iter();
            let integrations = integrations.map(|one| integration(one, runner));
            let objects = settings.chain(integrations);
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
    }
}

fn gone(gone: &Gone) -> deleted_object::Object {
    match gone {
        Gone::Integration(id) => deleted_object::Object::ScmIntegrationId(id.to_string()),
        Gone::HostToken(host, subject) => deleted_object::Object::HostToken(deleted_object::HostToken {
            host: host.clone(),
            subject: Some(Subject { id: subject.to_string(), ..Subject::default() }),
        }),
    }
}

fn integration(integration: &Integration, runner: &Runner) -> configuration_object::Object {
    configuration_object::Object::ScmIntegration(configured(integration.clone(), runner))
}

fn spec(runner: &Runner) -> ConfiguredSpec {
    let honeycomb_kid = runner.honeycomb_key.as_ref().map(|sealed| sealed.kid.0.clone());
    ConfiguredSpec { spec: Some(runner_spec(runner)), honeycomb_kid: honeycomb_kid.unwrap_or_default() }
}
