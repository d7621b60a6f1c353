//! `--limits`: limits of a test as flows write them, in place of the package's.

use crate::failure::Failure;
use flow_engine::spec::units;
use flow_engine::diag::nearest;
use flow_sandbox::Limits;

/// What may be limited.
const KNOWN: [&str; 4] = ["time", "fuel", "memory", "output"];

/// Limits that were given; the others are the package's.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Given {
    fuel: Option<u64>,
    memory: Option<u64>,
    output: Option<u64>,
}

impl Given {
    /// The package's limits, but for those that were given.
    pub(super) fn over(&self, package: Limits) -> Limits {
        Limits {
            memory: self.memory.unwrap_or(package.memory),
            output: self.output.unwrap_or(package.output),
            ..self.fuel.map_or(package, Limits::fuel)
        }
    }
}

/// Reads `NAME=VALUE` pairs.
pub(super) fn read(written: &[String]) -> Result<Given, Failure> {
    let mut given = Given::default();
    for one in written {
        let how = "write a number and a unit: `time=2s` or `fuel=40G`, `memory=512MiB`, `output=16MiB`";
        let Some((name, value)) = one.split_once('=') else {
            return Err(Failure::usage(format!("`{one}` in `--limits` has no `=`")).hint(how));
        };
        let bytes = || units::bytes(value).filter(|bytes| *bytes > 0);
        let (into, read) = match name.trim() {
            "time" => (&mut given.fuel, units::duration(value).map(|t| Limits::seconds(t.as_secs_f64()).fuel)),
            "fuel" => (&mut given.fuel, units::fuel(value)),
            "memory" => (&mut given.memory, bytes()),
            "output" => (&mut given.output, bytes()),
            other => {
                let failure = Failure::usage(format!("`--limits` knows no `{other}`"));
                return Err(match nearest(other, KNOWN) {
                    Some(similar) => failure.hint(format!("a similar limit is there: `{similar}`")),
                    None => failure.hint(format!("it knows {}", KNOWN.join(", "))),
                });
            }
        };
        if into.is_some() {
            return Err(Failure::usage(format!("`{one}` in `--limits` limits the same twice"))
                .hint("`time` and `fuel` are one limit: a second is 20G of fuel"));
        }
        *into = read.filter(|limit| *limit > 0);
        if into.is_none() {
            return Err(Failure::usage(format!("`{value}` in `--limits` is no limit of `{}`", name.trim())).hint(how));
        }
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(written: &[&str]) -> Result<Given, String> {
        read(&written.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()).map_err(|f| f.to_string())
    }

    #[test]
    fn limits_are_written_as_in_flows_and_take_the_place_of_the_packages() {
        let given = of(&["time=2s", "memory=512MiB"]).unwrap();
        let package = Limits { memory: 1, output: 7, ..Limits::seconds(9.0) };
        let limits = given.over(package);
        assert_eq!((limits.fuel, limits.memory, limits.output), (40_000_000_000, 512 << 20, 7));
        assert_eq!(limits.wall, Limits::seconds(2.0).wall);
        assert_eq!(of(&["fuel=40G"]).unwrap().over(package).fuel, 40_000_000_000);
        assert_eq!(of(&[]).unwrap().over(package), package);
    }

    #[test]
    fn what_is_no_limit_is_told() {
        assert_eq!(of(&["time=soon"]).unwrap_err(), "`soon` in `--limits` is no limit of `time`");
        assert_eq!(of(&["memory=0"]).unwrap_err(), "`0` in `--limits` is no limit of `memory`");
        assert_eq!(of(&["2s"]).unwrap_err(), "`2s` in `--limits` has no `=`");
        assert_eq!(of(&["memroy=1GiB"]).unwrap_err(), "`--limits` knows no `memroy`");
        assert_eq!(of(&["time=1s", "fuel=1G"]).unwrap_err(), "`fuel=1G` in `--limits` limits the same twice");
    }
}
