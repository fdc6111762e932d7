//! The allocator of our programs, and how they copy and compare memory.
//!
//! The allocator is dlmalloc behind a lock that takes one instruction while nobody else holds it, which here is nearly
//! always. musl's allocator returns memory to the kernel again and again, which a process of a few milliseconds has no use
//! for. Most of the time in dlmalloc's ready-made allocator is the C library's mutex.

#[cfg(all(target_arch = "x86_64", any(test, all(target_env = "musl", not(debug_assertions)))))]
mod copy;
#[cfg(all(target_arch = "x86_64", target_env = "musl", not(debug_assertions)))]
mod symbols;

use dlmalloc::Dlmalloc;
use spin::mutex::SpinMutex;
use spin::relax::Yield;
use std::alloc::{GlobalAlloc, Layout};

/// The global allocator. There is one heap, whatever the number of these.
#[derive(Debug)]
pub struct Allocator;

static HEAP: SpinMutex<Dlmalloc, Yield> = SpinMutex::new(Dlmalloc::new());

// SAFETY: all is passed on to dlmalloc as it is, which promises what is asked of an allocator, to one thread at a time. The lock allocates
// nothing. A process that is forked while another thread holds it must not allocate: the planner is forked while there is no other
// thread, and between fork and exec of a program nothing is allocated.
#[expect(unsafe_code, reason = "GlobalAlloc")]
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that dlmalloc asks for.
        unsafe { HEAP.lock().malloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: likewise.
        unsafe { HEAP.lock().free(pointer, layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: likewise.
        unsafe { HEAP.lock().calloc(layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: likewise.
        unsafe { HEAP.lock().realloc(pointer, layout.size(), layout.align(), size) }
    }
}
