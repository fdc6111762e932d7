//! Machine code of components: compiled once, kept in a directory that only root or we can write (design, section 4).
//!
//! Machine code has no integrity of its own: whoever can write it decides what the planner executes. So a file counts
//! only with the right owner, mode and number of links, and with the digest that was noted when it was made, which is
//! computed again whenever its stamp differs. What does not count is made again and replaced by rename.

pub mod compiler;
mod directory;
mod error;
mod stamp;

pub use error::CodeError;
pub use stamp::digest;

use super::manifest::Manifest;
use super::tunables::ENGINE_ID;
use crate::cni::{CniError, code};
use directory::Directory;
use nix::sys::statvfs::{FsFlags, fstatvfs};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stamp::Stamp;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

/// An index entry or record is that long at most: a manifest lists functions, at most a few hundred.
const NOTE_BYTES: u64 = 1 << 20;

/// So much of a component is read; the compiler refuses what is longer than a byte less.
const WASM_BYTES: u64 = 64 << 20;

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

impl Code {
    /// Code that can be mapped: on a file system that is mounted `noexec`, as `/run` often is, that is a copy in memory.
    fn mappable(self) -> Result<Self, CodeError> {
        if !fstatvfs(&self.file).map_err(|e| CodeError::Read(e.into()))?.flags().contains(FsFlags::ST_NOEXEC)
        {
            return Ok(self);
        }
        let copy = compiler::memory("wasm-cni code").map_err(CodeError::Write)?;
        io::copy(&mut &self.file, &mut &copy).map_err(CodeError::Write)?;
        compiler::seal(&copy).map_err(CodeError::Write)?;
        Ok(Code { file: copy, ..self })
    }

    /// The same code by another descriptor.
    pub fn try_clone(&self) -> Result<Self, CniError> {
        let file = self.file.try_clone().map_err(|e| {
            CniError::new(code::INTERNAL, "no second descriptor of machine code").with_details(e.to_string())
        })?;
        Ok(Code { file, manifest: self.manifest.clone(), digest: self.digest.clone() })
    }
}

/// Refuses a component by its digest.
pub type Pin<'a> = &'a dyn Fn(&str) -> Result<(), CniError>;

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
    ///
    /// What is pinned to digests is hashed anew, the component as well as its machine code, and refused before it is compiled
    /// (`docs/security.md`, S6).
    pub fn code(&self, wasm: &File, pin: Option<Pin<'_>>) -> Result<Code, CodeError> {
        let stamp = Stamp::of(wasm).map_err(CodeError::Read)?;
        if let Some(directory) = self.directory.as_ref().filter(|_| pin.is_none())
            && let Some(digest) = known(directory, &stamp)
            && let Some(code) = cached(directory, &digest, self.dry, false)
        {
            return code.mappable();
        }
        self.slow(wasm, stamp, pin)?.mappable()
    }

    /// The way of a file that is new here.
    fn slow(&self, wasm: &File, stamp: Stamp, pin: Option<Pin<'_>>) -> Result<Code, CodeError> {
        if let Some(directory) = self.directory.as_ref().filter(|_| !self.dry) {
            directory.sweep();
        }
        // What is hashed is what is compiled, whatever becomes of the file meanwhile.
        let copy = compiler::memory("wasm-cni component").map_err(CodeError::Write)?;
        (&mut &*wasm).seek(SeekFrom::Start(0)).map_err(CodeError::Read)?;
        io::copy(&mut wasm.take(WASM_BYTES + 1), &mut &copy).map_err(CodeError::Read)?;
        compiler::seal(&copy).map_err(CodeError::Write)?;
        let digest = digest(&copy).map_err(CodeError::Read)?;
        if let Some(pin) = pin {
            pin(&digest).map_err(CodeError::Pinned)?;
        }
        let known = |directory| cached(directory, &digest, self.dry, pin.is_some());
        let code = match self.directory.as_ref().and_then(known) {
            Some(code) => Ok(code),
            None => self.compile(&copy, digest),
        };
        let unchanged = Stamp::of(wasm).map_err(CodeError::Read)? == stamp;
        match code {
            Err(CodeError::NotAPlugin(_)) if !unchanged => Err(CodeError::Changing),
            Err(error) => Err(error),
            Ok(code) => {
                if let Some(directory) = self.directory.as_ref().filter(|_| !self.dry)
                    && unchanged
                    && stamp.is_settled()
                {
                    let index = Index { wasm: stamp, digest: code.digest.clone() };
                    note(directory, &index_name(&stamp), &index);
                }
                Ok(code)
            }
        }
    }

    fn compile(&self, wasm: &File, digest: String) -> Result<Code, CodeError> {
        if let Some(directory) = self.directory.as_ref().filter(|_| !self.dry) {
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

/// The code of a component, if it is what was noted; `pinned`, its digest is computed again in any case.
fn cached(directory: &Directory, component: &str, dry: bool, pinned: bool) -> Option<Code> {
    let record: Record = read(directory, &record_name(component))?;
    let file = directory.read(&code_name(component))?;
    let stamp = Stamp::of(&file).ok()?;
    if pinned || stamp != record.code {
        if digest(&file).ok()? != record.code_digest {
            tracing::warn!("the machine code of {component} was changed; it is compiled again");
            return None;
        }
        if !dry && stamp != record.code {
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
) -> io::Result<File> {
    let code_digest = digest(draft.file())?;
    let file = draft.publish(&code_name(component))?;
    // Another process may have put its own in the same place meanwhile.
    if digest(&file)? != code_digest {
        return Err(io::Error::other("it was replaced while it was stored"));
    }
    let record = Record { code: Stamp::of(&file)?, code_digest, manifest: manifest.clone() };
    note(directory, &record_name(component), &record);
    Ok(file)
}

fn read<T: DeserializeOwned>(directory: &Directory, name: &str) -> Option<T> {
    let mut text = Vec::with_capacity(4 << 10);
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
