//! `sealink environment-class`.
use clap::{Args, Subcommand};
use serde_json::json;

use super::{context::Context, output::Output, usage};
use crate::{
    error::{Error, Kind, Result},
    pb::gitpod::v1::{
        CreateEnvironmentClassRequest, EnvironmentClass, FieldValue, GetEnvironmentClassRequest,
        ListEnvironmentClassesRequest, UpdateEnvironmentClassRequest,
        list_environment_classes_request::Filter,
    },
};

/// For the help of the group.
pub(super) const EXAMPLES: &str = "\
Examples:
  sealink environment-class list --runner ID
  sealink environment-class update ID --disable";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Offer a size and shape of environment
    #[command(after_help = "\
Which settings there are, the runner's schema says: sealink runner schema ID

Examples:
  sealink environment-class create --runner ID --name Large --description '8 cores, 32 GiB' \\
      --set machineType=m6i.2xlarge --set diskSizeGb=100")]
    Create(Create),
    /// List environment classes
    #[command(after_help = "\
Examples:
  sealink environment-class list
  sealink environment-class list --runner ID --enabled --json")]
    List(List),
    /// Show one environment class
    #[command(after_help = "Example:\n  sealink environment-class show ID")]
    Show {
        /// The environment class
        id: String,
    },
    /// Change an environment class; what is not named stays as it is
    #[command(after_help = "\
Settings and runner never change, and nothing is deleted: disable a class and create another.

Examples:
  sealink environment-class update ID --disable
  sealink environment-class update ID --name 'Very large'")]
    Update(Update),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The runner that offers it
    #[arg(long, value_name = "ID")]
    runner: String,
    /// A name for people, 3 to 127 characters
    #[arg(long)]
    name: String,
    /// What it is for, 3 to 200 characters
    #[arg(long, value_name = "TEXT")]
    description: String,
    /// A setting; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    set: Vec<FieldValue>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only this runner's; may be repeated up to 25 times
    #[arg(long, value_name = "ID")]
    runner: Vec<String>,
    /// Only those that new environments may use
    #[arg(long, conflicts_with = "disabled")]
    enabled: bool,
    /// Only those that they may not
    #[arg(long)]
    disabled: bool,
}

#[derive(Debug, Args)]
pub(super) struct Update {
    /// The environment class
    id: String,
    /// A new name
    #[arg(long)]
    name: Option<String>,
    /// A new description
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Let new environments use it
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Let no new environment use it
    #[arg(long)]
    disable: bool,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Create(Create { runner, name, description, set }) => {
            let request = CreateEnvironmentClassRequest {
                runner_id: runner,
                display_name: name,
                description,
                configuration: set,
            };
            let id = context.client()?.call(&request).await?.id;
            context.out.created(
                &json!({ "id": id }),
                &id,
                "the environment class was created, and is enabled",
            )
        }
        Command::List(list) => list.run(context).await,
        Command::Show { id } => {
            let request = GetEnvironmentClassRequest { environment_class_id: id };
            let answer = context.client()?.call(&request).await?;
            let class = answer.environment_class.ok_or_else(|| Error::not_found("environment class"))?;
            show(context.out, &class)
        }
        Command::Update(update) => {
            let id = update.id.clone();
            let client = context.client()?;
            client.call(&update.request()?).await?;
            context.out.done(&id, &format!("environment class {id} updated"))
        }
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<()> {
        let enabled = (self.enabled || self.disabled).then_some(self.enabled);
        let filter = Filter { runner_ids: self.runner, enabled, ..Default::default() };
        let request = ListEnvironmentClassesRequest { filter: Some(filter), ..Default::default() };
        let classes = context.client()?.list(request).await?;
        context.out.list(
            &classes,
            ["ID", "RUNNER", "NAME", "STATE", "SETTINGS", "DESCRIPTION"],
            |class| {
                [
                    class.id.clone(),
                    class.runner_id.clone(),
                    class.display_name.clone(),
                    state(class),
                    settings(class),
                    class.description.clone(),
                ]
            },
            "there are no environment classes; make one with `sealink environment-class create`",
        )
    }
}

impl Update {
    fn request(self) -> Result<UpdateEnvironmentClassRequest> {
        let Self { id, name, description, enable, disable } = self;
        if name.is_none() && description.is_none() && !enable && !disable {
            return Err(usage("nothing to change; see `sealink environment-class update --help`"));
        }
        Ok(UpdateEnvironmentClassRequest {
            environment_class_id: id,
            display_name: name,
            description,
            enabled: (enable || disable).then_some(enable),
        })
    }
}

fn setting(text: &str) -> Result<FieldValue> {
    let refuse = || Error::new(Kind::Invalid, "a setting looks like machineType=m6i.large");
    let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(refuse)?;
    Ok(FieldValue { key: key.to_owned(), value: value.to_owned() })
}

fn show(out: Output, class: &EnvironmentClass) -> Result<()> {
    out.show(
        class,
        &[
            ("id", class.id.clone()),
            ("runner", class.runner_id.clone()),
            ("name", class.display_name.clone()),
            ("description", class.description.clone()),
            ("state", state(class)),
            ("settings", settings(class)),
        ],
    )
}

fn state(class: &EnvironmentClass) -> String {
    if class.enabled { "enabled" } else { "disabled" }.to_owned()
}

fn settings(class: &EnvironmentClass) -> String {
    let settings = class.configuration.iter().map(|FieldValue { key, value }| format!("{key}={value}"));
    settings.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::setting;

    #[test]
    fn a_setting_is_split_at_its_first_equals_sign() {
        let read = setting("a=b=c").unwrap();
        assert_eq!((read.key.as_str(), read.value.as_str()), ("a", "b=c"));
        assert_eq!(setting("a=").unwrap().value, "");
        for text in ["", "a", "=b"] {
            assert!(setting(text).is_err(), "{text}");
        }
    }
}
