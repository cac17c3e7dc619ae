//! `ValidateRunnerConfiguration`.
use tonic::{Request, Response, Status};

use super::{Api, live::mismatched};
use crate::{
    api::{
        convert,
        request::{Reply, parts},
    },
    domain::{
        access::{Audience, Caller},
        id::RunnerId,
    },
    error::Error,
    pb::{
        gitpod::v1::{
            EnvironmentClass, EnvironmentClassValidationResult, ScmIntegrationValidationResult,
            ValidateRunnerConfigurationRequest, ValidateRunnerConfigurationResponse,
            validate_runner_configuration_request::{Config, ValidateScmIntegration},
            validate_runner_configuration_response::Result as Validated,
        },
        sealink::v1::{
            ValidateCall, send_response_request::Result as Answer, validate_call, validate_result,
            watch_requests_response::Call as Question,
        },
    },
};

impl Api {
    pub(super) async fn validate(
        &self,
        request: Request<ValidateRunnerConfigurationRequest>,
    ) -> Reply<ValidateRunnerConfigurationResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let id = RunnerId::parse("runner_id", &request.runner_id)?;
        let result = match request.config {
            Some(Config::ScmIntegration(trial)) => {
                Validated::ScmIntegration(self.try_integration(&caller, id, trial).await?)
            }
            Some(Config::EnvironmentClass(class)) => {
                Validated::EnvironmentClass(self.try_class(&caller, id, class).await?)
            }
            None => {
                let message = "exactly one field is required in oneof";
                return Err(Error::invalid("config", "required", message).into());
            }
        };
        Ok(Response::new(ValidateRunnerConfigurationResponse { result: Some(result) }))
    }

    async fn try_integration(
        &self,
        caller: &Caller,
        id: RunnerId,
        trial: ValidateScmIntegration,
    ) -> Result<ScmIntegrationValidationResult, Status> {
        let trial = match self.service.prepare_trial(caller, id, trial.into()).await? {
            Ok(trial) => trial,
            Err(findings) => return Ok(convert::findings(findings)),
        };
        let (call, runner) = (trial.call, trial.runner.clone());
        let question = Question::Validate(convert::trial_call(&trial));
        match self.ask_as(call, Some(caller), &runner, question).await? {
            Answer::Validate(result) => match result.result {
                Some(validate_result::Result::ScmIntegration(result)) => Ok(convert::tried(result)),
                _ => Err(mismatched()),
            },
            _ => Err(mismatched()),
        }
    }

    async fn try_class(
        &self,
        caller: &Caller,
        id: RunnerId,
        class: EnvironmentClass,
    ) -> Result<EnvironmentClassValidationResult, Status> {
        let trial = convert::class_trial(&class);
        let runner = match self.service.prepare_class_trial(caller, id, &trial).await? {
            Ok(runner) => runner,
            Err(findings) => return Ok(convert::class_findings(findings)),
        };
        let config = Some(validate_call::Config::EnvironmentClass(class));
        match self.ask(Some(caller), &runner, Question::Validate(ValidateCall { config })).await? {
            Answer::Validate(result) => match result.result {
                Some(validate_result::Result::EnvironmentClass(result)) => Ok(result),
                _ => Err(mismatched()),
            },
            _ => Err(mismatched()),
        }
    }
}
