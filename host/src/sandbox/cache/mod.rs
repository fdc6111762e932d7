//! The cache of machine code. Each component is compiled once. The code is kept in a directory that only root or this
//! user can write.
//!
//! Machine code has no integrity of its own: whoever can write the file decides what the planner executes. So a file
//! counts only with the right owner, mode and number of links, and with the recorded digest. The digest is computed
//! again whenever the stamp of the file differs. A file that does not count is compiled again and replaced by rename
//! (`docs/security.md`, S6).

pub mod compiler;
mod directory;
mod error;
mod refusal;
mod stamp;

pub use error::CodeError;
pub use stamp::digest;

use super::manifest::Manifest;
use super::tunables::ENGINE_ID;
use crate::cni::{CniError, ErrorKind};
use directory::Directory;
use nix::sys::statvfs::{FsFlags, fstatvfs};
use refusal::Refusal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stamp::Stamp;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

/// The maximum length of an index entry or a record. A manifest lists functions, at most a few hundred.
const NOTE_BYTES: u64 = 1 << 20;

/// The number of bytes of a component that are read, plus one. The compiler refuses a component that is longer.
const WASM_BYTES: u64 = 64 << 20;

/// A component that can be run.
#[derive(Debug)]
pub struct Code {
    /// The file with the machine code, open for reading.
    pub file: File,
    /// The imports, exports and declarations of the component.
    pub manifest: Arc<Manifest>,
    /// SHA-256 of the component, in lower-case hexadecimal.
    pub digest: String,
}

impl Code {
    /// Returns code that can be mapped as executable. On a file system that is mounted `noexec`, as `/run` often is,
    /// this is a copy in memory.
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

    /// The same code with a duplicated descriptor.
    pub fn try_clone(&self) -> Result<Self, CniError> {
        let file = self.file.try_clone().map_err(|e| {
            CniError::new(
                ErrorKind::SandboxNotStarted,
                "failed to duplicate the descriptor of the machine code",
            )
            .with_details(e.to_string())
        })?;
        Ok(Code { file, manifest: self.manifest.clone(), digest: self.digest.clone() })
    }
}

/// A check that refuses a component by its digest.
pub type Pin<'a> = &'a dyn Fn(&str) -> Result<(), CniError>;

/// The cache, and the compiler for components that it does not have.
#[derive(Debug)]
pub struct Cache {
    directory: Option<Directory>,
    compiler: PathBuf,
    dry: bool,
}

/// The contents of `DEVICE-INODE.ENGINE.index`: the digest of the component with that device and inode, so that the
/// host need not read the component.
#[derive(Serialize, Deserialize)]
struct Index {
    wasm: Stamp,
    digest: String,
}

/// The contents of `DIGEST.ENGINE.record`: the expected stamp and digest of the file `DIGEST.ENGINE.cwasm`.
#[derive(Serialize, Deserialize)]
struct Record {
    code: Stamp,
    code_digest: String,
    manifest: Manifest,
}

impl Cache {
    /// Opens the first of `directories` that works. If none does, every call compiles its components.
    ///
    /// `compiler` is the path of `wasm-cni-compile`. With `dry`, the cache uses what is stored but stores nothing.
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
    /// For a pinned plugin, the component and its machine code are hashed again. A component with another digest is
    /// refused before it is compiled (`docs/security.md`, S6).
    ///
    /// A component that the compiler refused is refused again without a compiler (`docs/security.md`, S10).
    pub fn code(&self, wasm: &File, pin: Option<Pin<'_>>) -> Result<Code, CodeError> {
        let recalled = |directory: &Directory, digest: &str| {
            let code = cached(directory, digest, self.dry, pin.is_some()).map(Ok);
            code.or_else(|| self.refused(directory, digest).map(Err))
        };
        self.look_up(wasm, pin, recalled, |copy, digest| self.compile(copy, digest))?.mappable()
    }

    /// The manifest and the digest of a component, which is not compiled.
    ///
    /// A component that the compiler refused is refused here too, and pins apply as in [`Cache::code`].
    pub fn manifest(&self, wasm: &File, pin: Option<Pin<'_>>) -> Result<(Manifest, String), CodeError> {
        let recalled = |directory: &Directory, digest: &str| {
            let record = read::<Record>(directory, &record_name(digest));
            let record = record.map(|record| Ok((record.manifest, digest.to_owned())));
            record.or_else(|| self.refused(directory, digest).map(Err))
        };
        let parse = |copy: &File, digest: String| {
            let parsed = compiler::manifest(&self.compiler, copy);
            parsed.inspect_err(|error| self.remember(&digest, error)).map(|manifest| (manifest, digest))
        };
        self.look_up(wasm, pin, recalled, parse)
    }

    /// What the cache recalls of a component, by the digest that the index has, or else by hashing the component. If it
    /// recalls nothing, `work` gets an immutable copy of the component, and its digest.
    fn look_up<T>(
        &self,
        wasm: &File,
        pin: Option<Pin<'_>>,
        recalled: impl Fn(&Directory, &str) -> Option<Result<T, CodeError>>,
        work: impl FnOnce(&File, String) -> Result<T, CodeError>,
    ) -> Result<T, CodeError> {
        let stamp = Stamp::of(wasm).map_err(CodeError::Read)?;
        if let Some(directory) = self.directory.as_ref().filter(|_| pin.is_none())
            && let Some(digest) = known(directory, &stamp)
            && let Some(recalled) = recalled(directory, &digest)
        {
            return recalled;
        }
        if let Some(directory) = self.directory.as_ref().filter(|_| !self.dry) {
            directory.sweep();
        }
        // Copy the component first: the file may change, and the hashed bytes must be the compiled bytes.
        let copy = compiler::memory("wasm-cni component").map_err(CodeError::Write)?;
        (&mut &*wasm).seek(SeekFrom::Start(0)).map_err(CodeError::Read)?;
        io::copy(&mut wasm.take(WASM_BYTES + 1), &mut &copy).map_err(CodeError::Read)?;
        compiler::seal(&copy).map_err(CodeError::Write)?;
        let digest = digest(&copy).map_err(CodeError::Read)?;
        if let Some(pin) = pin {
            pin(&digest).map_err(CodeError::Pinned)?;
        }
        let found = match self.directory.as_ref().and_then(|directory| recalled(directory, &digest)) {
            Some(found) => found,
            None => work(&copy, digest.clone()),
        };
        let unchanged = Stamp::of(wasm).map_err(CodeError::Read)? == stamp;
        if matches!(found, Err(CodeError::NotAPlugin(_))) && !unchanged {
            return Err(CodeError::Changing);
        }
        if let Some(directory) = self.directory.as_ref().filter(|_| !self.dry)
            && found.as_ref().err().is_none_or(CodeError::is_lasting)
            && unchanged
            && stamp.is_settled()
        {
            note(directory, &index_name(&stamp), &Index { wasm: stamp, digest });
        }
        found
    }

    /// The error with which this compiler refused a component before.
    fn refused(&self, directory: &Directory, component: &str) -> Option<CodeError> {
        let refusal: Refusal = read(directory, &refusal_name(component))?;
        refusal.of(&self.compiler)
    }

    /// Keeps the error of a component that the compiler will always refuse.
    fn remember(&self, component: &str, error: &CodeError) {
        if let Some(directory) = self.directory.as_ref().filter(|_| !self.dry)
            && let Some(refusal) = Refusal::new(&self.compiler, error)
        {
            note(directory, &refusal_name(component), &refusal);
        }
    }

    fn compile(&self, wasm: &File, digest: String) -> Result<Code, CodeError> {
        self.compile_and_keep(wasm, &digest).inspect_err(|error| self.remember(&digest, error))
    }

    fn compile_and_keep(&self, wasm: &File, digest: &str) -> Result<Code, CodeError> {
        let code = |file, manifest| Code { file, manifest: Arc::new(manifest), digest: digest.to_owned() };
        if let Some(directory) = self.directory.as_ref().filter(|_| !self.dry) {
            match directory.draft() {
                Ok(draft) => {
                    let manifest = compiler::run(&self.compiler, wasm, draft.file())?;
                    match keep(directory, draft, digest, &manifest) {
                        Ok(file) => return Ok(code(file, manifest)),
                        Err(error) => tracing::warn!("machine code cannot be kept: {error}"),
                    }
                }
                Err(error) => tracing::warn!("machine code cannot be kept: {error}"),
            }
        }
        let file = compiler::memory("wasm-cni code").map_err(CodeError::Write)?;
        let manifest = compiler::run(&self.compiler, wasm, &file)?;
        compiler::seal(&file).map_err(CodeError::Write)?;
        Ok(code(file, manifest))
    }
}

/// The digest of a component that the index has and that has not changed.
fn known(directory: &Directory, stamp: &Stamp) -> Option<String> {
    let index: Index = read(directory, &index_name(stamp))?;
    (index.wasm == *stamp).then_some(index.digest)
}

/// The code of a component, if it is the recorded one. With `pinned`, its digest is always computed again.
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
    Some(Code { file, manifest: Arc::new(record.manifest), digest: component.to_owned() })
}

fn record_of(record: &Record) -> Record {
    Record { code: record.code, code_digest: record.code_digest.clone(), manifest: record.manifest.clone() }
}

/// Puts new code in place, and then the record, without which the code does not count.
fn keep(
    directory: &Directory,
    draft: directory::Draft<'_>,
    component: &str,
    manifest: &Manifest,
) -> io::Result<File> {
    let code_digest = digest(draft.file())?;
    let file = draft.publish(&code_name(component))?;
    // Another process may have replaced the file with its own.
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

/// Writes an entry. If that fails, only the next call takes longer.
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

fn refusal_name(component: &str) -> String {
    format!("{component}.{ENGINE_ID}.refusal")
}

fn code_name(component: &str) -> String {
    format!("{component}.{ENGINE_ID}.cwasm")
}
