//! Machine code of components: compiled once, kept in a directory that only root or we can write (design, section 4).
//!
//! Machine code has no integrity of its own: whoever can write it decides what the planner executes. So a file counts
//! only with the right owner, mode and number of links, and with the digest that was noted when it was made, which is
//! computed again whenever its stamp differs. What does not count is made again and replaced by rename.

pub(super) mod compiler;
mod directory;
mod error;
mod stamp;

pub use error::CodeError;

use super::manifest::Manifest;
use super::tunables::ENGINE_ID;
use directory::Directory;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stamp::{Stamp, digest};
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// An index entry or record is that long at most: a manifest lists functions, at most a few hundred.
const NOTE_BYTES: u64 = 1 << 20;

/// A component that can be run.
#[derive(Debug)]
pub struct Code {
    /// Its machine code, for reading.
    pub file: File,
    /// What it imports, exports and declares.
    pub manifest: Manifest,
    /// SHA-256 of the component, lower-case hexadecimal.
    pub digest: String,
}

/// Where machine code comes from.
#[derive(Debug)]
pub struct Cache {
    directory: Option<Directory>,
    compiler: PathBuf,
    dry: bool,
}

/// `DEVICE-INODE.ENGINE.index`: which component a file is, so that it need not be read.
#[derive(Serialize, Deserialize)]
struct Index {
    wasm: Stamp,
    digest: String,
}

/// `DIGEST.ENGINE.record`, beside `DIGEST.ENGINE.cwasm`: what that file has to be.
#[derive(Serialize, Deserialize)]
struct Record {
    code: Stamp,
    code_digest: String,
    manifest: Manifest,
}

impl Cache {
    /// A cache in the first of `directories` that can be used; none can: everything is compiled every time.
    ///
    /// `compiler` is the binary `wasm-cni-compile`. A dry cache stores nothing, though it uses what is
    /// stored already.
    pub fn new(directories: &[PathBuf], compiler: PathBuf, dry: bool) -> Self {
        let usable = |path: &PathBuf| match Directory::open(path, !dry) {
            Ok(directory) => Some(directory),
            Err(error) => {
                tracing::debug!("not using the cache {}: {error}", path.display());
                None
            }
        };
        Cache { directory: directories.iter().find_map(usable), compiler, dry }
    }

    /// The machine code of a component, from the cache or from the compiler.
    pub fn code(&self, wasm: &File) -> Result<Code, CodeError> {
        let stamp = Stamp::of(wasm).map_err(CodeError::Read)?;
        if let Some(directory) = &self.directory
            && let Some(digest) = known(directory, &stamp)
            && let Some(code) = cached(directory, &digest, self.dry)
        {
            return Ok(code);
        }
        self.slow(wasm, stamp)
    }

    /// The way of a file that is new here.
    fn slow(&self, wasm: &File, stamp: Stamp) -> Result<Code, CodeError> {
        let digest = digest(wasm).map_err(CodeError::Read)?;
        let code = match self.directory.as_ref().and_then(|d| cached(d, &digest, self.dry)) {
            Some(code) => code,
            None => self.compile(wasm, digest)?,
        };
        // Also after compiling: what was hashed is what was compiled.
        if Stamp::of(wasm).map_err(CodeError::Read)? != stamp {
            return Err(CodeError::Changing);
        }
        if let Some(directory) = self.directory.as_ref().filter(|_| !self.dry) {
            note(directory, &index_name(&stamp), &Index { wasm: stamp, digest: code.digest.clone() });
        }
        Ok(code)
    }

    fn compile(&self, wasm: &File, digest: String) -> Result<Code, CodeError> {
        if let Some(directory) = self.directory.as_ref().filter(|_| !self.dry) {
            directory.sweep();
            match directory.draft() {
                Ok(draft) => {
                    let manifest = compiler::run(&self.compiler, wasm, draft.file())?;
                    match keep(directory, draft, &digest, &manifest) {
                        Ok(file) => return Ok(Code { file, manifest, digest }),
                        Err(error) => tracing::warn!("machine code cannot be kept: {error}"),
                    }
                }
                Err(error) => tracing::warn!("machine code cannot be kept: {error}"),
            }
        }
        let file = compiler::memory("wasm-cni code").map_err(CodeError::Write)?;
        let manifest = compiler::run(&self.compiler, wasm, &file)?;
        compiler::seal(&file).map_err(CodeError::Write)?;
        Ok(Code { file, manifest, digest })
    }
}

/// The digest of a component that was seen before and has not changed.
fn known(directory: &Directory, stamp: &Stamp) -> Option<String> {
    let index: Index = read(directory, &index_name(stamp))?;
    (index.wasm == *stamp).then_some(index.digest)
}

/// The code of a component, if it is what was noted.
fn cached(directory: &Directory, component: &str, dry: bool) -> Option<Code> {
    let record: Record = read(directory, &record_name(component))?;
    let file = directory.read(&code_name(component))?;
    let stamp = Stamp::of(&file).ok()?;
    if stamp != record.code {
        if digest(&file).ok()? != record.code_digest {
            tracing::warn!("the machine code of {component} was changed; it is compiled again");
            return None;
        }
        if !dry {
            note(directory, &record_name(component), &Record { code: stamp, ..record_of(&record) });
        }
    }
    Some(Code { file, manifest: record.manifest, digest: component.to_owned() })
}

fn record_of(record: &Record) -> Record {
    Record { code: record.code, code_digest: record.code_digest.clone(), manifest: record.manifest.clone() }
}

/// Puts new code in its place, then the record that makes it count.
fn keep(
    directory: &Directory,
    draft: directory::Draft<'_>,
    component: &str,
    manifest: &Manifest,
) -> std::io::Result<File> {
    let code_digest = digest(draft.file())?;
    let file = draft.publish(&code_name(component))?;
    // Another process may have put its own in the same place meanwhile.
    if digest(&file)? != code_digest {
        return Err(std::io::Error::other("it was replaced while it was stored"));
    }
    let record = Record { code: Stamp::of(&file)?, code_digest, manifest: manifest.clone() };
    note(directory, &record_name(component), &record);
    Ok(file)
}

fn read<T: DeserializeOwned>(directory: &Directory, name: &str) -> Option<T> {
    let mut text = Vec::new();
    directory.read(name)?.take(NOTE_BYTES).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Notes something. That it cannot be noted costs the next call time, and nobody else anything.
fn note(directory: &Directory, name: &str, value: &impl Serialize) {
    let written = serde_json::to_vec(value).map_err(Into::into).and_then(|text| directory.write(name, &text));
    if let Err(error) = written {
        tracing::warn!("{name} cannot be written to the cache: {error}");
    }
}

fn index_name(stamp: &Stamp) -> String {
    format!("{:x}-{:x}.{ENGINE_ID}.index", stamp.device, stamp.inode)
}

fn record_name(component: &str) -> String {
    format!("{component}.{ENGINE_ID}.record")
}

fn code_name(component: &str) -> String {
    format!("{component}.{ENGINE_ID}.cwasm")
}
