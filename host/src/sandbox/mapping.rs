//! Machine code in memory: a file as it is, never anything that this process has written.
//!
//! wasmtime would map a file as data, and then make its text executable. The planner's filter of system calls allows nobody to
//! make anything executable (`confine`), so the file is mapped as code from the beginning.

use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::Arc;
use wasmtime::{Config, CustomCodeMemory};

/// Maps a whole file, readable and executable, until the process ends: nothing that runs can outlive it. All of its pages at once,
/// which takes less than fetching one by one those that are used.
#[expect(unsafe_code, reason = "mmap")]
pub fn code(file: &File) -> io::Result<NonNull<[u8]>> {
    let length = usize::try_from(file.metadata()?.len()).ok().and_then(NonZeroUsize::new);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "an empty file"))?;
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_EXEC;
    // SAFETY: a new mapping at an address that the kernel chooses takes the place of nothing.
    let memory =
        unsafe { mmap(None, length, protection, MapFlags::MAP_PRIVATE | MapFlags::MAP_POPULATE, file, 0) }?;
    Ok(NonNull::slice_from_raw_parts(memory.cast(), length.get()))
}

/// Has an engine leave protections alone: it runs only code from [`code`].
pub fn configure(config: &mut Config) {
    config.with_custom_code_memory(Some(Arc::new(Mapped)));
}

struct Mapped;

impl CustomCodeMemory for Mapped {
    fn required_alignment(&self) -> usize {
        1
    }

    fn publish_executable(&self, _: *const u8, _: usize) -> wasmtime::Result<()> {
        Ok(())
    }

    fn unpublish_executable(&self, _: *const u8, _: usize) -> wasmtime::Result<()> {
        Ok(())
    }
}
