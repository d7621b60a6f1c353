//! What the command line takes. Types alone; what they do stands in `command`.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Run, check and plan flows: prompts, programs and loops in a YAML file
#[derive(Debug, Parser)]
#[command(name = "flowctl", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands, in the order that a new user meets them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a flow
    Run(RunArgs),
    /// Go on with a run that was cut off
    Resume(ResumeArgs),
    /// Answer what a run asks a person, and go on with it
    Answer(AnswerArgs),
    /// End a run
    Cancel(CancelArgs),
    /// Find what is wrong with a flow, without running it
    Check(CheckArgs),
    /// Show in which order a flow runs, and how many model calls it can make
    Plan(PlanArgs),
    /// Print the JSON Schema of flow files, for editors
    Schema(SchemaArgs),
    /// Explain a rule of `check`
    Explain(ExplainArgs),
    /// Judge programs on the tests of a problem
    Judge(JudgeArgs),
    /// See and install what turns programs into wasm
    Toolchain(ToolchainArgs),
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Human,
    /// For programs
    Json,
}

/// What a run and a plan are given.
#[derive(Debug, Args)]
pub(crate) struct Given {
    /// Give one input, as NAME=VALUE, NAME=@FILE or NAME=@DIR (a problem package); may be given again
    #[arg(long = "input", value_name = "NAME=VALUE", help_heading = "Inputs")]
    pub(crate) inputs: Vec<String>,
    /// Set one param; may be given again
    #[arg(long = "set", value_name = "PARAM=VALUE", help_heading = "Inputs")]
    pub(crate) sets: Vec<String>,
    /// Take a named set of params; what `--set` gives wins
    #[arg(long, value_name = "NAME", help_heading = "Inputs")]
    pub(crate) preset: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The flow file
    pub(crate) flow: PathBuf,
    #[command(flatten)]
    pub(crate) given: Given,
    /// Answer with this model everywhere, or for one alias; may be given again
    #[arg(short = 'm', long = "model", value_name = "[ALIAS=]PROVIDER/MODEL", help_heading = "Models")]
    pub(crate) models: Vec<String>,
    /// Write the models' answers to a file
    #[arg(long, value_name = "FILE", help_heading = "Models", conflicts_with = "replay")]
    pub(crate) record: Option<PathBuf>,
    /// Answer from a recording, offline; a call that it does not hold ends the run
    #[arg(long, value_name = "FILE", help_heading = "Models")]
    pub(crate) replay: Option<PathBuf>,
    /// The seed of all chance in the run
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Most calls and programs at work at once
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// Take no answers of earlier runs, and keep none for later ones
    #[arg(long)]
    pub(crate) no_cache: bool,
    #[command(flatten)]
    pub(crate) ending: Ending,
}

/// How a run is kept, and its end told.
#[derive(Debug, Args)]
pub(crate) struct Ending {
    /// Print just this output, raw
    #[arg(short = 'o', long = "output", value_name = "OUTPUT")]
    pub(crate) output: Option<String>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
    /// Fetch nothing: a toolchain that is missing is an error
    #[arg(long)]
    pub(crate) offline: bool,
    /// What must be on the disk, not just written, before the run goes on
    #[arg(long, value_enum, default_value_t = Sync::Money)]
    pub(crate) durability: Sync,
}

/// What a power cut may not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sync {
    /// Nothing; the end of the process takes nothing either way
    Normal,
    /// Calls and their answers
    Money,
    /// Everything
    Strict,
}

/// What becomes of a call whose answer was lost with the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InDoubt {
    /// It is sent again, and both count
    Resend,
    /// The run is left as it is
    Fail,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// The run, by its id or the beginning of it
    pub(crate) run: String,
    /// What becomes of a call whose answer was lost with the process
    #[arg(long, value_enum, default_value_t = InDoubt::Resend)]
    pub(crate) in_doubt: InDoubt,
    /// Most calls and programs at work at once
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<usize>,
    #[command(flatten)]
    pub(crate) ending: Ending,
}

#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    /// The run, by its id or the beginning of it
    pub(crate) run: String,
    /// The path of the node that asks
    pub(crate) path: String,
    /// The answer: text, or YAML for lists and records; asked for at the terminal when absent
    #[arg(long)]
    pub(crate) value: Option<String>,
    #[command(flatten)]
    pub(crate) ending: Ending,
}

#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// The run, by its id or the beginning of it
    pub(crate) run: String,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The flow files
    #[arg(required = true)]
    pub(crate) flows: Vec<PathBuf>,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// The flow file
    pub(crate) flow: PathBuf,
    #[command(flatten)]
    pub(crate) given: Given,
    /// Tell which line made each edge
    #[arg(long)]
    pub(crate) why: bool,
    /// How the plan is printed
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// The schema of flowctl.yaml instead
    #[arg(long)]
    pub(crate) config: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The rule's name; all rules when absent
    pub(crate) rule: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct JudgeArgs {
    /// A problem package, a folder of them, or a JSON file with tests
    pub(crate) problem: PathBuf,
    /// Programs to judge; those of the package when absent
    pub(crate) submissions: Vec<PathBuf>,
    /// Skip a program's tests after its first failure
    #[arg(long)]
    pub(crate) stop_first_failure: bool,
    /// Most programs at work at once
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// How verdicts are printed
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
    /// Fetch nothing: a toolchain that is missing is an error
    #[arg(long)]
    pub(crate) offline: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ToolchainArgs {
    #[command(subcommand)]
    pub(crate) command: ToolchainCommand,
}

/// What can be done with toolchains.
#[derive(Debug, Subcommand)]
pub(crate) enum ToolchainCommand {
    /// List languages: ready, missing, broken
    List {
        /// How the list is printed
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Install what a language needs
    Install {
        /// The language
        language: String,
        /// Take the package from this file instead of the registry
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
    /// Remove what was installed for a language
    Remove {
        /// The language
        language: String,
    },
}
