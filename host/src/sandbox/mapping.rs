//! Maps machine code from a file, so that nothing that this process wrote becomes code.
//!
//! wasmtime would map a file as data and then make its text executable. The planner's seccomp filter
//! ([`super::confine`]) does not allow that, so the file is mapped as executable from the start.

use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::Arc;
use wasmtime::{Config, CustomCodeMemory};

/// Maps a whole file as readable and executable. It stays mapped until the process exits, so that running code cannot
/// be unmapped. It maps all pages at once, which is faster than a page fault for each used page.
#[expect(unsafe_code, reason = "mmap")]
pub fn code(file: &File) -> io::Result<NonNull<[u8]>> {
    let length = usize::try_from(file.metadata()?.len()).ok().and_then(NonZeroUsize::new);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "an empty file"))?;
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_EXEC;
    // SAFETY: the kernel chooses the address of the new mapping, so it replaces no other mapping.
    let memory =
        unsafe { mmap(None, length, protection, MapFlags::MAP_PRIVATE | MapFlags::MAP_POPULATE, file, 0) }?;
    Ok(NonNull::slice_from_raw_parts(memory.cast(), length.get()))
}

/// Configures an engine not to change memory protection: it runs only code from [`code`].
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
