//! The composition root: ports from flags, environment and `flowctl.yaml`.

mod executor;
mod people;
mod store;

pub(crate) use executor::{Judge, cache_folder, comparison};
pub(crate) use people::{Desk, LISTEN, attached, read as read_answer};
pub(crate) use store::{store, told};

use crate::failure::Failure;
use crate::files::reason;
use crate::render;
use flow_engine::check::CheckedFlow;
use flow_engine::check::flow::Price;
use flow_engine::diag::nearest;
use flow_engine::model::cassette::{Cassette, Recorder, Replay};
use flow_engine::model::{HttpModel, KNOWN, Kind, Limited, Provider, SchemaSupport, Timeouts, known_prices};
use flow_engine::run::Models;
use flow_engine::run::Prices;
use flow_engine::run::Recorded;
use flow_engine::run::ports::{Model, People, Ports};
use flow_engine::source::Sources;
use flow_engine::spec::config::{Config, ProviderKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The name of the configuration file.
const CONFIG: &str = "flowctl.yaml";

/// Reads `flowctl.yaml` from this folder or the nearest one above it that has one.
pub(crate) fn config() -> Result<Config, Failure> {
    let here =
        std::env::current_dir().map_err(|e| Failure::environment(format!("can't tell the current folder: {e}")))?;
    let Some(path) = here.ancestors().map(|folder| folder.join(CONFIG)).find(|path| path.is_file()) else {
        return Ok(Config::default());
    };
    let text = std::fs::read_to_string(&path)
        .map_err(|e| Failure::usage(format!("can't read `{}`: {}", path.display(), reason(&e))))?;
    Config::read(&text, KNOWN.iter().map(|known| known.name)).map_err(|found| {
        let mut sources = Sources::default();
        sources.add(CONFIG, text);
        let folder = path.parent().map(|folder| format!("{}/", folder.display())).unwrap_or_default();
        render::note(render::findings_human(&found, &sources, &folder));
        Failure::usage(format!("`{}` can't be used as it stands", path.display()))
            .hint("`flowctl schema --config` prints what may stand there")
    })
}

/// Where answers are to come from.
pub(crate) enum Wanted {
    /// The providers.
    Given,
    /// The providers, and they are written down.
    Recorded,
    /// The providers, and what people have said in another run.
    Shared(Recorded),
    /// A recording.
    Replayed(Cassette),
}

/// Where answers come from.
pub(crate) enum Answers {
    /// The providers.
    Providers,
    /// The providers, and they are written down.
    Recorded(Arc<Recorder>),
    /// A recording.
    Replayed(Arc<Replay>),
}

/// The ports of a run, and where its answers come from.
pub(crate) fn ports(
    config: &Config,
    flow: &CheckedFlow,
    answers: Wanted,
    people: Arc<dyn People>,
    offline: bool,
) -> (Ports, Answers) {
    let http = Arc::new(Limited::new(Arc::new(HttpModel::new(providers(config))), config.limits.clone()));
    let name = flow.flows[flow.root].name.clone();
    let (model, answers): (Arc<dyn Model>, Answers) = match answers {
        Wanted::Replayed(cassette) => {
            let replay = Arc::new(Replay::new(cassette));
            (replay.clone(), Answers::Replayed(replay))
        }
        Wanted::Recorded => {
            let recorder = Arc::new(Recorder::new(http.clone(), name));
            (recorder.clone(), Answers::Recorded(recorder))
        }
        Wanted::Given | Wanted::Shared(_) => (http.clone(), Answers::Providers),
    };
    let executor = Arc::new(Judge::new(offline, render::setting_up));
    (Ports { model, executor, people, embedder: http }, answers)
}

/// Reads a recording.
pub(crate) fn cassette(path: &Path) -> Result<Cassette, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::usage(format!("can't read `{}`: {}", path.display(), reason(&e))))?;
    Cassette::parse(&text).map_err(|e| Failure::usage(format!("`{}` is no recording: {e}", path.display())))
}

/// The providers known by name, changed and joined by those of the configuration.
fn providers(config: &Config) -> Vec<Provider> {
    let environment = |name: &str| std::env::var(name).ok();
    let mut all: Vec<Provider> = KNOWN.iter().map(|known| Provider::known(known, &environment)).collect();
    for (name, given) in &config.providers {
        let key = given
            .key_env
            .as_deref()
            .and_then(environment)
            .filter(|k| !k.trim().is_empty())
            .map(|k| k.trim().to_owned().into());
        let standard = Timeouts::default();
        let timeouts = Timeouts {
            connect: given.timeouts.connect.unwrap_or(standard.connect),
            first_byte: given.timeouts.first_byte.or(standard.first_byte),
            idle: given.timeouts.idle.or(standard.idle),
        };
        if let Some(known) = all.iter_mut().find(|p| p.name == *name) {
            known.timeouts = timeouts;
            if let Some(base_url) = &given.base_url {
                known.move_to(base_url);
            }
            if given.key_env.is_some() {
                known.key = key;
                known.key_variable.clone_from(&given.key_env);
            }
            continue;
        }
        let kind = match given.kind.unwrap_or_default() {
            ProviderKind::Openai => Kind::OpenAi,
            ProviderKind::Anthropic => Kind::Anthropic,
        };
        all.push(Provider {
            name: name.clone(),
            kind,
            base_url: given.base_url.clone().unwrap_or_default(),
            key,
            key_variable: given.key_env.clone(),
            // A server that nobody knows runs its model itself, as far as we know.
            schema: SchemaSupport::Whole,
            timeouts,
        });
    }
    all
}

/// The models given by `-m`, over the configuration's default.
pub(crate) fn models(config: &Config, flow: &CheckedFlow, given: &[String]) -> Result<Models, Failure> {
    let mut models = Models { fallback: config.defaults.model.clone(), ..Models::default() };
    let known = || flow.files.iter().flat_map(|f| f.models.keys().map(String::as_str));
    for one in given {
        let (alias, model) = match one.split_once('=') {
            Some((alias, model)) => (Some(alias), model),
            None => (None, one.as_str()),
        };
        if !model.contains('/') {
            return Err(Failure::usage(format!("`{model}` names no provider"))
                .hint("write `-m provider/model`, as in `-m openai/gpt-4o`"));
        }
        match alias {
            None => models.every = Some(model.to_owned()),
            Some(alias) if known().any(|k| k == alias) => {
                models.aliases.insert(alias.to_owned(), model.to_owned());
            }
            Some(alias) => {
                let failure = Failure::usage(format!("the flow has no model `{alias}`"));
                return Err(match nearest(alias, known()) {
                    Some(similar) => failure.hint(format!("a similar alias is there: `{similar}`")),
                    None => failure,
                });
            }
        }
    }
    Ok(models)
}

/// The prices that are known without the flow.
pub(crate) fn prices(config: &Config) -> Prices {
    known_prices(&config.prices, &providers(config))
        .into_iter()
        .map(|(name, price)| (name, Price { input: price.input, output: price.output }))
        .collect()
}

/// Writes a file beside its place and moves it there, so that no half of it is ever seen.
pub(crate) fn write_whole(path: &Path, text: &str) -> Result<(), Failure> {
    let mut beside = PathBuf::from(path).into_os_string();
    beside.push(".new");
    let failed = |e: &std::io::Error| Failure::environment(format!("can't write `{}`: {}", path.display(), reason(e)));
    std::fs::write(&beside, text).map_err(|e| failed(&e))?;
    std::fs::rename(&beside, path).map_err(|e| failed(&e))
}
