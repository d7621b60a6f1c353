//! What the command line takes. Types alone; what they do stands in `command`.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::num::NonZeroUsize;
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
    /// List the runs of this folder
    Runs(RunsArgs),
    /// Show what a run came to, or one node or call of it
    Show(ShowArgs),
    /// Say why a node of a run was asked again, or was not
    Why(WhyArgs),
    /// Compare two runs
    Diff(DiffArgs),
    /// Begin a run that shares what another one did before a node
    Fork(ForkArgs),
    /// Run a run again from its journal, offline, up to where it differs
    Replay(ReplayArgs),
    /// Write the journal of a run, or its answers, for other programs
    Export(ExportArgs),
    /// Forget old runs and answers
    Gc(GcArgs),
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
    /// Judge what is asked on standard input: what `judge` and `run` start
    #[command(hide = true)]
    Worker(WorkerArgs),
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
pub(crate) struct RunsArgs {
    /// How the list is printed
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The run, by its id or the beginning of it
    pub(crate) run: String,
    /// A node, pass, item or call of it, by its path
    pub(crate) path: Option<String>,
    /// How it is printed; `json` shortens nothing
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// The run, by its id or the beginning of it
    pub(crate) run: String,
    /// The path of the node or call
    pub(crate) node: String,
    /// The run to hold it against; the last one before that asked the same when absent
    #[arg(long, value_name = "RUN")]
    pub(crate) against: Option<String>,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The first run, by its id or the beginning of it
    pub(crate) a: String,
    /// The second run
    pub(crate) b: String,
    /// How the differences are printed
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ForkArgs {
    /// The run, by its id or the beginning of it
    pub(crate) run: String,
    /// The node, pass, item or call from which on all is asked anew
    #[arg(long, value_name = "PATH")]
    pub(crate) at: String,
    /// Set one param, over the run's own; may be given again
    #[arg(long = "set", value_name = "PARAM=VALUE")]
    pub(crate) sets: Vec<String>,
    /// Go on with this flow; the run's own when absent
    #[arg(long, value_name = "FILE")]
    pub(crate) flow: Option<PathBuf>,
    /// Answer with this model everywhere, or for one alias; the run's own when absent
    #[arg(short = 'm', long = "model", value_name = "[ALIAS=]PROVIDER/MODEL")]
    pub(crate) models: Vec<String>,
    /// Most calls and programs at work at once
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<usize>,
    #[command(flatten)]
    pub(crate) ending: Ending,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The run, by its id or the beginning of it
    pub(crate) run: String,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The run, by its id or the beginning of it
    pub(crate) run: String,
    /// Write the models' answers to this file, as `run --record` does, instead of the journal to stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) answers: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct GcArgs {
    /// What nobody touched for so long is forgotten: 12h, 30d
    #[arg(long, value_name = "TIME")]
    pub(crate) keep: String,
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
    #[arg(required_unless_present = "verify")]
    pub(crate) problem: Option<PathBuf>,
    /// Programs to judge; those of the package when absent
    pub(crate) submissions: Vec<PathBuf>,
    /// When a program's tests end: after the first failure the others are skipped
    #[arg(long, value_enum, default_value_t = StopAt::Never)]
    pub(crate) stop: StopAt,
    /// Limits of each test in place of the package's, as `time=2s,memory=512MiB,output=16MiB` or `fuel=40G`
    #[arg(long, value_name = "LIMITS", value_delimiter = ',')]
    pub(crate) limits: Vec<String>,
    /// Judge what a report of `--format json` holds once more, and tell what differs
    #[arg(long, value_name = "REPORT", conflicts_with_all = ["problem", "submissions", "stop", "limits"])]
    pub(crate) verify: Option<PathBuf>,
    /// Programs and tests at work at once, each in a process of its own [default: the number of cores]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// How verdicts are printed
    #[arg(long, value_enum, default_value_t = JudgeFormat::Human)]
    pub(crate) format: JudgeFormat,
    /// Fetch nothing: a toolchain that is missing is an error
    #[arg(long)]
    pub(crate) offline: bool,
}

/// When a program's tests end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StopAt {
    /// All tests run
    Never,
    /// The tests after the first failure are skipped
    FirstFailure,
}

/// How verdicts are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum JudgeFormat {
    /// A table for people, and what failed
    Human,
    /// One document, which `--verify` reads
    Json,
    /// One line a program, as it ends
    Ndjson,
}

#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    /// Where toolchains are kept
    pub(crate) cache: PathBuf,
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
