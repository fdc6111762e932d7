//! `memcpy`, `memmove`, `memcmp` and `bcmp`, in place of musl's for x86-64. musl copies with `rep movsq`, which takes longer
//! to start than most of our copies take, and it compares byte by byte. An ADD copies and compares a few dozen bytes at a
//! time, ten thousand times: `docs/performance.md` has what this gives.
//!
//! Builds without optimisation keep musl's: there a load is itself a call of `memcpy`.
#![expect(unsafe_code, reason = "C's functions")]

use crate::copy::{compare, copy};
use std::cmp::Ordering;
use std::ffi::c_int;

/// C's `memcpy`.
///
/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe { copy(to, from, length) };
    to
}

/// C's `memmove`.
///
/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    // SAFETY: the caller's promise. `copy` allows an overlap.
    unsafe { copy(to, from, length) };
    to
}

/// C's `memcmp`.
///
/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, length: usize) -> c_int {
    // SAFETY: the caller's promise.
    match unsafe { compare(left, right, length) } {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
}

/// C's `bcmp`.
///
/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, length: usize) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { memcmp(left, right, length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_return_what_the_c_functions_return() {
        let (from, mut to) = ([1_u8, 2, 200], [0_u8; 3]);
        let start = to.as_mut_ptr();
        // SAFETY: every pointer has three bytes behind it.
        unsafe {
            assert_eq!(memcpy(start, from.as_ptr(), 3), start);
            assert_eq!(memmove(start, from.as_ptr(), 3), start);
            let (less, greater) = ([1, 2, 100], [1, 2, 201]);
            for (right, sign) in [(&from, 0), (&less, 1), (&greater, -1)] {
                assert_eq!(memcmp(start, right.as_ptr(), 3), sign);
                assert_eq!(bcmp(start, right.as_ptr(), 3) == 0, sign == 0);
            }
        }
    }
}
