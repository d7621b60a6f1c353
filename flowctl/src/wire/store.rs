//! Where runs are kept: `.flowctl` in the folder of the project.

use crate::failure::Failure;
use flow_engine::journal::{Durability, Error, Store};
use std::path::PathBuf;

/// The name of the folder that holds the runs.
const FOLDER: &str = ".flowctl";

/// Opens the runs of the nearest folder, from here upwards, that has some or a `flowctl.yaml`; else of this one.
pub(crate) fn store(durability: Durability) -> Result<Store, Failure> {
    let folder = folder()?;
    let store = Store::open(&folder, durability).map_err(|error| {
        told(&error)
            .hint(format!("runs are kept in `{}`", folder.display()))
            .hint("another folder may be named by the environment variable FLOWCTL_RUNS")
    })?;
    let ignore = folder.join(".gitignore");
    if !ignore.exists() {
        // Runs hold prompts and answers, which belong into no repository by accident. Failing here fails nothing.
        let _ = std::fs::write(ignore, "*\n");
    }
    Ok(store)
}

fn folder() -> Result<PathBuf, Failure> {
    if let Some(folder) = std::env::var_os("FLOWCTL_RUNS").filter(|folder| !folder.is_empty()) {
        return Ok(folder.into());
    }
    let here =
        std::env::current_dir().map_err(|e| Failure::environment(format!("can't tell the current folder: {e}")))?;
    let has_runs = here.ancestors().find(|folder| folder.join(FOLDER).is_dir() || folder.join(super::CONFIG).is_file());
    Ok(has_runs.unwrap_or(&here).join(FOLDER))
}

/// What is wrong with the store of runs.
pub(crate) fn told(error: &Error) -> Failure {
    Failure::environment(error.to_string())
}
