//! Who says whether an output is right: the package format's default validator with its flags, or a program that the
//! package brings.

use super::{Manifest, entries, file_name};
use crate::failure::Failure;
use crate::files::reason;
use flow_engine::spec::compare::{Compare, Tokens, Validator};
use flow_sandbox::Language;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// How a problem's outputs are compared; or why that can't be done here.
pub(crate) type Validation = Result<Compare, String>;

/// The default validator without flags: case is ignored unless it is told not to.
pub(super) fn default() -> Compare {
    Compare::Tokens(Tokens { ignore_case: true, ..Tokens::default() })
}

/// What a package says of it, in either edition of the format.
pub(super) fn of(folder: &Path, manifest: &Manifest, path: &Path) -> Result<Validation, Failure> {
    let mut words: Vec<&str> = manifest.validation.as_deref().unwrap_or("default").split_whitespace().collect();
    match &manifest.r#type {
        Some(Value::String(kind)) => words.push(kind),
        Some(Value::Array(kinds)) => words.extend(kinds.iter().filter_map(Value::as_str)),
        _ => {}
    }
    if let Some(kind) = words.iter().find(|w| matches!(**w, "interactive" | "multi-pass" | "submit-answer")) {
        return Ok(Err(format!("it is {kind}, which is not supported")));
    }
    // Points of groups of tests can be left out; where the validator gives them, that it accepts says next to nothing.
    if words.contains(&"score") {
        return Ok(Err("its output validator gives scores, which is not supported".to_owned()));
    }
    let args = match args(folder, manifest)? {
        Ok(args) => args,
        Err(why) => return Ok(Err(why)),
    };
    let single = folder.join("output_validator");
    if words.first() == Some(&"custom") || single.is_dir() {
        let folder = if single.is_dir() { single } else { folder.join("output_validators") };
        return Ok(program(&folder, true).map(|validator| Compare::Validator(Validator { args, ..validator })));
    }
    flags(&args).map(|tokens| Ok(Compare::Tokens(tokens))).map_err(|flag| {
        Failure::usage(format!("`{}` has the validator flag `{flag}`, which is none", path.display())).hint(
            "the default validator knows `case_sensitive`, `space_change_sensitive`, and with a number not below 0 \
             `float_tolerance`, `float_absolute_tolerance` and `float_relative_tolerance`",
        )
    })
}

/// The validator's arguments: those of the manifest and of all test data. The inner error is a package that is too much
/// for us.
fn args(folder: &Path, manifest: &Manifest) -> Result<Result<Vec<String>, String>, Failure> {
    let everywhere = words(&manifest.validator_flags.clone().map_or(Value::Null, Value::String));
    let mut args = everywhere.clone();
    let mut open = vec![folder.join("data")];
    while let Some(group) = open.pop() {
        open.extend(entries(&group).unwrap_or_default().into_iter().filter(|path| path.is_dir()));
        // The older edition adds them to the manifest's; the newer one has none there.
        for (file, key, before) in [
            ("testdata.yaml", "output_validator_flags", everywhere.as_slice()),
            ("test_group.yaml", "output_validator_args", &[]),
        ] {
            let Ok(text) = std::fs::read_to_string(group.join(file)) else { continue };
            let path = group.join(file);
            let settings: Value = serde_yaml::from_str(&text)
                .map_err(|e| Failure::usage(format!("`{}` is not YAML: {e}", path.display())))?;
            let Some(given) = settings.get(key) else { continue };
            let given = [before, &words(given)].concat();
            if group != folder.join("data") && given != args {
                return Ok(Err(format!(
                    "`{}` gives validator flags to some tests, which is not supported",
                    path.display()
                )));
            }
            args = given;
        }
    }
    Ok(Ok(args))
}

/// One text of words, or a list of them.
fn words(written: &Value) -> Vec<String> {
    match written {
        Value::String(text) => text.split_whitespace().map(str::to_owned).collect(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// The flags of the default output validator; the unknown one when there is one.
fn flags(written: &[String]) -> Result<Tokens, String> {
    let mut tokens = Tokens { ignore_case: true, ..Tokens::default() };
    let mut words = written.iter();
    while let Some(flag) = words.next() {
        let mut number = || {
            let number = words.next().and_then(|n| n.parse::<f64>().ok());
            number.filter(|n| n.is_finite() && *n >= 0.0).ok_or_else(|| flag.clone()).map(Some)
        };
        match flag.as_str() {
            "case_sensitive" => tokens.ignore_case = false,
            "space_change_sensitive" => tokens.same_space = true,
            "float_absolute_tolerance" => tokens.absolute = number()?,
            "float_relative_tolerance" => tokens.relative = number()?,
            "float_tolerance" => {
                tokens.absolute = number()?;
                tokens.relative = tokens.absolute;
            }
            other => return Err(other.to_owned()),
        }
    }
    Ok(tokens)
}

/// The one program of a folder, or of its one subfolder.
fn program(folder: &Path, outermost: bool) -> Result<Validator, String> {
    let all =
        entries(folder).map_err(|_| format!("its output validator is missing: no folder `{}`", folder.display()))?;
    let mut sources: Vec<(Language, PathBuf)> =
        all.iter().filter_map(|path| Some((language(path)?, path.clone()))).collect();
    let folders: Vec<&PathBuf> = all.iter().filter(|path| path.is_dir()).collect();
    let programs = if outermost { sources.len() + folders.len() } else { sources.len().min(1) };
    match (programs, folders.as_slice()) {
        (0, _) => {
            return Err(format!(
                "its output validator in `{}` is in no language that can be compiled here",
                folder.display()
            ));
        }
        (1, [inner]) if outermost && sources.is_empty() => return program(inner, false),
        (1, _) => {}
        _ => return Err(format!("it has {programs} output validators; one is supported")),
    }
    // Where several files make the program, the one with the name of a main program begins.
    sources.sort_by_key(|(_, path)| !matches!(stem(path).as_str(), "__main__" | "main" | "validate" | "validator"));
    let (language, main) = sources.swap_remove(0);
    let read = |path: &Path| {
        let broken = |why: &str| format!("its output validator can't be read: `{}`: {why}", path.display());
        let bytes = std::fs::read(path).map_err(|e| broken(&reason(&e)))?;
        String::from_utf8(bytes).map_err(|_| broken("it is not UTF-8 text"))
    };
    let beside = all.iter().filter(|path| path.is_file() && **path != main);
    Ok(Validator {
        language: language.name().to_owned(),
        code: read(&main)?,
        files: beside.map(|path| Ok((file_name(path), read(path)?))).collect::<Result<_, String>>()?,
        args: Vec::new(),
    })
}

fn language(path: &Path) -> Option<Language> {
    path.is_file().then(|| Language::of_extension(path.extension()?.to_str()?)).flatten()
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn read(flags_of: &str) -> Result<Tokens, String> {
        flags(&words(&Value::from(flags_of)))
    }

    /// A package of these files, and how it is validated.
    fn package(files: &[(&str, &str)]) -> Validation {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        super::super::Problem::open(folder.path()).map_err(|f| f.to_string())?.validation
    }

    #[test]
    fn validator_flags_of_the_package_format_are_read() {
        let tokens =
            |ignore_case, same_space, absolute, relative| Ok(Tokens { ignore_case, same_space, absolute, relative });
        assert_eq!(read(""), tokens(true, false, None, None));
        assert_eq!(read("float_tolerance 1e-6"), tokens(true, false, Some(1e-6), Some(1e-6)));
        assert_eq!(read("float_absolute_tolerance 1e-4"), tokens(true, false, Some(1e-4), None));
        assert_eq!(read("case_sensitive space_change_sensitive"), tokens(false, true, None, None));
        assert_eq!(read("wobbly 1"), Err("wobbly".to_owned()));
        assert_eq!(read("float_tolerance 0"), tokens(true, false, Some(0.0), Some(0.0)));
        for none in ["much", "-1e-6", "NaN", "inf", "1e999", ""] {
            for flag in ["float_tolerance", "float_absolute_tolerance", "float_relative_tolerance"] {
                assert_eq!(read(&format!("{flag} {none}")), Err(flag.to_owned()));
            }
        }
    }

    #[test]
    fn flags_of_all_test_data_follow_the_manifests_in_the_older_edition_and_stand_alone_in_the_newer() {
        let tokens = |files: &[(&str, &str)]| match package(files) {
            Ok(Compare::Tokens(tokens)) => tokens,
            other => panic!("{other:?}"),
        };
        let manifest = ("problem.yaml", "validator_flags: float_tolerance 1e-6");
        let older = ("data/testdata.yaml", "output_validator_flags: case_sensitive");
        let both = Tokens { absolute: Some(1e-6), relative: Some(1e-6), ..Tokens::default() };
        assert_eq!(tokens(&[manifest, older]), both);
        // A group that says again what all have is no other.
        let same = ("data/secret/testdata.yaml", "output_validator_flags: case_sensitive");
        assert_eq!(tokens(&[manifest, older, same]), both);
        let newer = ("data/test_group.yaml", "output_validator_args: [case_sensitive]");
        assert_eq!(tokens(&[manifest, newer]), Tokens::default());
        // One that takes them back is.
        let fewer = ("data/secret/testdata.yaml", "output_validator_flags: ''");
        assert!(package(&[manifest, older, fewer]).unwrap_err().contains("to some tests"));
    }

    #[test]
    fn a_validator_is_a_file_or_a_folder_in_either_edition() {
        let program = |files| match package(files) {
            Ok(Compare::Validator(validator)) => validator,
            other => panic!("{other:?}"),
        };
        let validator = program(&[
            ("problem.yaml", "validation: custom\nvalidator_flags: near 3"),
            ("output_validators/check/helper.py", "h"),
            ("output_validators/check/validate.py", "v"),
        ]);
        assert_eq!((validator.language.as_str(), validator.code.as_str()), ("python", "v"));
        assert_eq!((validator.files["helper.py"].as_str(), validator.args), ("h", vec!["near".into(), "3".into()]));
        let validator = program(&[
            ("problem.yaml", "problem_format_version: 2023-07-draft"),
            ("output_validator/check.cpp", "c"),
            ("output_validator/check.h", "h"),
            ("data/test_group.yaml", "output_validator_args: [a b, c]"),
        ]);
        assert_eq!((validator.language.as_str(), validator.files.len()), ("cpp", 1));
        assert_eq!(validator.args, ["a b", "c"]);
    }

    #[test]
    fn a_scoring_problem_is_judged_without_its_points() {
        assert_eq!(package(&[("problem.yaml", "type: scoring")]), Ok(default()));
        assert_eq!(package(&[("problem.yaml", "type: [scoring]\nvalidation: default")]), Ok(default()));
    }

    #[test]
    fn what_is_not_supported_says_so() {
        let why = |files: &[(&str, &str)]| package(files).unwrap_err();
        assert!(
            why(&[("problem.yaml", "validation: custom interactive")]).contains("interactive, which is not supported")
        );
        assert!(why(&[("problem.yaml", "type: [pass-fail, multi-pass]")]).contains("multi-pass"));
        assert!(why(&[("problem.yaml", "validation: custom score")]).contains("gives scores, which is not supported"));
        assert!(why(&[("problem.yaml", "validation: custom")]).contains("is missing"));
        let custom = ("problem.yaml", "validation: custom");
        assert!(why(&[custom, ("output_validators/V.java", "")]).contains("no language"));
        assert!(
            why(&[custom, ("output_validators/a.py", ""), ("output_validators/b.py", "")])
                .contains("2 output validators")
        );
        let group = ("data/secret/big/testdata.yaml", "output_validator_flags: case_sensitive");
        assert!(why(&[("problem.yaml", "name: x"), group]).contains("to some tests"));
        assert!(why(&[("problem.yaml", "validator_flags: exact")]).contains("`exact`, which is none"));
    }
}
