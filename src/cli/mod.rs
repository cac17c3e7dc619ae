//! The command line: one file per subcommand, each a thin client of the API.
use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

use crate::{
    error::{Error, Kind, Result},
    harden,
};

mod account;
mod account_key;
mod agent;
mod audit;
mod context;
mod cure;
mod environment_class;
mod exit;
mod group;
mod group_member;
mod host_token;
mod humane;
mod input;
mod integration;
mod keys;
mod llm;
mod output;
mod runner;
mod runner_key;
mod runner_policy;
mod runner_schema;
mod runner_secrets;
pub mod serve;
mod service_account;
mod token;
mod user;
mod words;

use self::context::{Context, Global};

const EXAMPLES: &str = "\
Examples:
  sealink serve                     run the server, data in ./sealink-data
  sealink runner create build-1 --exchange-token-file once
  sealink agent register < once     on the runner: make and register its key
  sealink integration create --runner ID --scm github --host github.com \\
      --client-id Iv1.0123456789abcdef --client-secret-file secret.txt
  sealink agent run                 on the runner: follow the configuration, answer calls

The server: --server, else SEALINK_URL, else http://127.0.0.1:7400.
The token:  --token-file, else SEALINK_TOKEN, else on the server's own machine
            the file admin-token in SEALINK_DATA_DIR or ./sealink-data.

Exit codes: 0 done, 64 wrong usage or value, 69 the server, or a forge it asks, is not available,
            77 token refused or not allowed, 78 an operator must mend what a server finds, 1 anything else.";

/// Keeps your source-control integrations; only the runner that uses a secret can open it.
#[derive(Debug, Parser)]
// Wrapped examples do not survive being pasted, so nothing is wrapped.
#[command(name = "sealink", version, about, after_help = EXAMPLES, disable_help_subcommand = true, term_width = 0)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(serve::Args),
    /// The runner's side: make a key, register it, open the configuration
    #[command(subcommand, after_help = agent::EXAMPLES)]
    Agent(agent::Command),
    /// Runners and their keys
    #[command(subcommand, after_help = runner::EXAMPLES)]
    Runner(runner::Command),
    /// A runner's SCM integrations
    #[command(subcommand, after_help = integration::EXAMPLES)]
    Integration(integration::Command),
    /// Sizes and shapes of environment that runners offer
    #[command(subcommand, after_help = environment_class::EXAMPLES)]
    EnvironmentClass(environment_class::Command),
    /// Your accounts at forges, and your SSH keys
    #[command(subcommand, after_help = account::EXAMPLES)]
    Account(account::Command),
    /// Users' credentials at forges
    #[command(subcommand, after_help = host_token::EXAMPLES)]
    HostToken(host_token::Command),
    /// A runner's access to language models
    #[command(subcommand, after_help = llm::EXAMPLES)]
    Llm(llm::Command),
    /// People of the organization
    #[command(subcommand, after_help = user::EXAMPLES)]
    User(user::Command),
    /// The audit log: who changed what, and proof that nobody changed the log
    #[command(subcommand, after_help = audit::EXAMPLES)]
    Audit(audit::Command),
    /// Machines of the organization: principals without a login
    #[command(subcommand, after_help = service_account::EXAMPLES)]
    ServiceAccount(service_account::Command),
    /// Groups of users and service accounts, which get roles on runners
    #[command(subcommand, after_help = group::EXAMPLES)]
    Group(group::Command),
    /// The server's own keyring: seal again what the server keeps for itself
    #[command(subcommand, after_help = keys::EXAMPLES)]
    Keys(keys::Command),
    /// API tokens
    #[command(subcommand, after_help = token::EXAMPLES)]
    Token(token::Command),
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  sealink completions bash > ~/.local/share/bash-completion/completions/sealink"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Parses the process's arguments, runs the command, and says how it went.
#[must_use]
pub fn run() -> ExitCode {
    // Best effort: a kernel that refuses is no reason to stop.
    let _ = harden::harden();
    harden::quiet_panics();
    run_from(std::env::args_os())
}

fn run_from(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return exit::of_clap(&error),
    };
    dispatch(&Context::new(cli.global), cli.command).unwrap_or_else(|error| exit::report(&error))
}

fn dispatch(context: &Context, command: Command) -> Result<ExitCode> {
    match command {
        Command::Serve(args) => return serve::run(&args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "sealink", &mut script);
            output::print(String::from_utf8_lossy(&script).trim_end())?;
        }
        Command::Agent(command) => wait(agent::run(context, command))?,
        Command::Runner(command) => ask(context, runner::run(context, command))?,
        Command::Integration(command) => ask(context, integration::run(context, command))?,
        Command::EnvironmentClass(command) => ask(context, environment_class::run(context, command))?,
        Command::Account(command) => ask(context, account::run(context, command))?,
        Command::HostToken(command) => ask(context, host_token::run(context, command))?,
        Command::Llm(command) => ask(context, llm::run(context, command))?,
        Command::User(command) => ask(context, user::run(context, command))?,
        Command::Audit(command) => ask(context, audit::run(context, command))?,
        Command::ServiceAccount(command) => ask(context, service_account::run(context, command))?,
        Command::Group(command) => ask(context, group::run(context, command))?,
        Command::Keys(command) => return ask(context, keys::run(context, command)),
        Command::Token(command) => ask(context, token::run(context, command))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs a command that uses the caller's own token.
fn ask<T>(context: &Context, work: impl Future<Output = Result<T>>) -> Result<T> {
    wait(work).map_err(|error| cure::cure(context.explain(error)))
}

/// A client has little to do at once: one thread is enough.
fn wait<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::internal)?;
    runtime.block_on(work)
}

/// A wrong combination of arguments that clap cannot see.
fn usage(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Kind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }

    /// A secret in an argument would stand in the process list and the shell's history.
    #[test]
    fn no_argument_takes_a_secret() {
        fn walk(command: &clap::Command) {
            for argument in command.get_arguments() {
                let name = argument.get_id().as_str();
                let secret = ["secret", "token", "password", "key"].iter().any(|word| name.contains(word));
                let values = argument.get_action().takes_values();
                let harmless =
                    name.ends_with("_file") || name.ends_with("_dir") || name == "kid" || name == "token_id";
                assert!(!secret || !values || harmless, "{} --{name}", command.get_name());
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&super::Cli::command());
    }

    #[test]
    fn every_command_teaches_with_an_example() {
        fn walk(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let named = path.trim_start().trim_start_matches("sealink").trim_start();
            assert!(help.contains("sealink ") && help.contains(named), "{path} has no example");
            command.get_subcommands().for_each(|command| walk(command, &path));
        }
        walk(&super::Cli::command(), "");
    }
}
