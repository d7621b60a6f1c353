//! Asks one model one question and prints what came: `ask PROVIDER BASE_URL MODEL PROMPT [SCHEMA]`. A base URL of `-` is the
//! provider's own. The key comes from the provider's environment variable.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use flow_engine::model::{HttpModel, KNOWN, Provider};
use flow_engine::run::ports::{CallSettings, CallSite, Message, Model, Request, Role};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (name, base_url, model, prompt, schema) = match args.as_slice() {
        [name, base_url, model, prompt] => (name, base_url, model, prompt, None),
        [name, base_url, model, prompt, schema] => (name, base_url, model, prompt, Some(schema)),
        _ => {
            eprintln!("usage: ask PROVIDER BASE_URL MODEL PROMPT [SCHEMA]");
            return ExitCode::from(2);
        }
    };
    let Some(known) = KNOWN.iter().find(|known| known.name == name) else {
        eprintln!("no provider is called `{name}`");
        return ExitCode::from(2);
    };
    let schema = match schema.map(|text| serde_json::from_str(text)).transpose() {
        Ok(schema) => schema,
        Err(error) => {
            eprintln!("the schema is not JSON: {error}");
            return ExitCode::from(2);
        }
    };
    let mut provider = Provider::known(known, &|variable| std::env::var(variable).ok());
    if base_url != "-" {
        provider.move_to(base_url);
    }
    let http = HttpModel::new([provider]);
    let request = Request {
        model: format!("{name}/{model}"),
        messages: vec![Message { role: Role::User, text: prompt.clone() }],
        schema,
        settings: CallSettings { max_tokens: Some(400), temperature: Some(0.0), ..CallSettings::default() },
        timeout: None,
    };
    let site = CallSite { path: "ask".into(), attempt: 1 };
    match http.ask(&site, &request, &|piece| eprint!("{piece}|")).await {
        Ok(response) => {
            println!("\n{response:#?}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("\n{error:?}");
            ExitCode::FAILURE
        }
    }
}
