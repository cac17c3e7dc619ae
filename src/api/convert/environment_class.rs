//! Environment classes.
use super::runner::{stored_kind, stored_provider};
use crate::{
    domain::{
        environment_class::{ClassFilter, Draft, EnvironmentClass, Patch, Setting},
        id::RunnerId,
    },
    error::{Error, Result},
    pb::gitpod::v1 as pb,
};

impl TryFrom<pb::CreateEnvironmentClassRequest> for Draft {
    type Error = Error;

    fn try_from(request: pb::CreateEnvironmentClassRequest) -> Result<Self> {
        let pb::CreateEnvironmentClassRequest { runner_id, display_name, description, configuration } =
            request;
        let setting = |pb::FieldValue { key, value }| Setting { key, value };
        Ok(Self {
            runner: RunnerId::parse("runner_id", &runner_id)?,
            display_name,
            description,
            configuration: configuration.into_iter().map(setting).collect(),
        })
    }
}

impl From<pb::UpdateEnvironmentClassRequest> for Patch {
    fn from(request: pb::UpdateEnvironmentClassRequest) -> Self {
        let pb::UpdateEnvironmentClassRequest { environment_class_id: _, display_name, description, enabled } =
            request;
        Self { display_name, description, enabled }
    }
}

/// What a list of environment classes is narrowed to. `can_create_environments` narrows nothing further: who
/// sees a class may create environments with it.
pub(crate) fn class_filter(
    filter: Option<pb::list_environment_classes_request::Filter>,
) -> Result<ClassFilter> {
    let pb::list_environment_classes_request::Filter {
        runner_ids,
        enabled,
        can_create_environments: _,
        runner_kinds,
        runner_providers,
    } = filter.unwrap_or_default();
    let ids = runner_ids.iter().enumerate();
    let ids = ids.map(|(index, id)| RunnerId::parse(&format!("filter.runner_ids[{index}]"), id));
    let kinds = runner_kinds.iter().filter(|kind| **kind != 0);
    let providers = runner_providers.iter().filter(|provider| **provider != 0);
    Ok(ClassFilter {
        runners: ids.collect::<Result<_>>()?,
        enabled,
        kinds: kinds.map(|kind| stored_kind("filter.runner_kinds", *kind)).collect::<Result<_>>()?,
        providers: providers
            .map(|provider| stored_provider("filter.runner_providers", *provider))
            .collect::<Result<_>>()?,
    })
}

/// An environment class as those see it who may use its runner.
pub(crate) fn environment_class(class: EnvironmentClass) -> pb::EnvironmentClass {
    let value = |Setting { key, value }| pb::FieldValue { key, value };
    pb::EnvironmentClass {
        id: class.id.to_string(),
        display_name: class.display_name,
        description: class.description,
        configuration: class.configuration.into_iter().map(value).collect(),
        runner_id: class.runner.to_string(),
        enabled: class.enabled,
    }
}
