//! `memcpy`, `memmove`, `memcmp` and `bcmp`, in place of musl's for x86-64: that copies with `rep movsq`, which takes longer to start than most of our copies
//! take, and compares byte by byte. What an ADD copies and compares is a few dozen bytes at a time, ten thousand times.
//!
//! Not in builds without optimisation, where loads and stores are themselves calls of `memcpy`.

use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_storeu_si128};
use std::cmp::Ordering;
use std::ffi::c_int;

type Block = __m128i;
const BLOCK: usize = size_of::<Block>();
/// What a turn of the loop copies.
const TURN: usize = 4 * BLOCK;

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
    // SAFETY: the caller's promise; `copy` allows an overlap.
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

/// Copies two pieces as long as a `T`, which may overlap each other: the first and the last of something of one to two lengths of `T`.
///
/// # Safety
///
/// `from` can be read, and `to` written, for `length` bytes, which are at least a `T`'s.
#[inline(always)]
unsafe fn ends<T: Copy>(to: *mut u8, from: *const u8, length: usize) {
    let last = length - size_of::<T>();
    // SAFETY: the caller's promise. Both are read before anything is written.
    unsafe {
        let pieces = (from.cast::<T>().read_unaligned(), from.add(last).cast::<T>().read_unaligned());
        to.cast::<T>().write_unaligned(pieces.0);
        to.add(last).cast::<T>().write_unaligned(pieces.1);
    }
}

/// Four blocks from one place.
///
/// # Safety
///
/// [`TURN`] bytes can be read there.
#[inline(always)]
unsafe fn load(from: *const u8) -> [Block; 4] {
    // SAFETY: the caller's promise.
    unsafe { [0, 1, 2, 3].map(|n| _mm_loadu_si128(from.add(n * BLOCK).cast())) }
}

/// Four blocks to one place.
///
/// # Safety
///
/// [`TURN`] bytes can be written there.
#[inline(always)]
unsafe fn store(to: *mut u8, [a, b, c, d]: [Block; 4]) {
    // SAFETY: the caller's promise.
    unsafe {
        _mm_storeu_si128(to.cast(), a);
        _mm_storeu_si128(to.add(BLOCK).cast(), b);
        _mm_storeu_si128(to.add(2 * BLOCK).cast(), c);
        _mm_storeu_si128(to.add(3 * BLOCK).cast(), d);
    }
}

/// Copies what may overlap: whatever is read is read before it can have been written.
///
/// # Safety
///
/// `from` can be read, and `to` written, for `length` bytes.
#[inline(always)]
unsafe fn copy(to: *mut u8, from: *const u8, length: usize) {
    // SAFETY: every branch stays within `length`, which is the caller's promise.
    unsafe {
        match length {
            0 => {}
            1 => *to = *from,
            2..4 => ends::<u16>(to, from, length),
            4..8 => ends::<u32>(to, from, length),
            8..BLOCK => ends::<u64>(to, from, length),
            BLOCK..32 => ends::<Block>(to, from, length),
            32..TURN => ends::<[Block; 2]>(to, from, length),
            _ => turns(to, from, length),
        }
    }
}

/// [`copy`] of at least a turn: from the side where what is written is not what is yet to be read.
///
/// # Safety
///
/// As that, and `length` is at least [`TURN`].
unsafe fn turns(to: *mut u8, from: *const u8, length: usize) {
    let last = length - TURN;
    // SAFETY: every offset is at most `last`, after which there is a turn left.
    unsafe {
        if to.addr().wrapping_sub(from.addr()) >= length {
            let end = load(from.add(last));
            let mut at = 0;
            while at < last {
                store(to.add(at), load(from.add(at)));
                at += TURN;
            }
            store(to.add(last), end);
        } else {
            let begin = load(from);
            let mut at = last;
            while at > 0 {
                store(to.add(at), load(from.add(at)));
                at = at.saturating_sub(TURN);
            }
            store(to, begin);
        }
    }
}

/// Compares as unsigned bytes.
///
/// # Safety
///
/// Both can be read for `length` bytes.
#[inline(always)]
unsafe fn compare(left: *const u8, right: *const u8, length: usize) -> Ordering {
    const WORD: usize = size_of::<u64>();
    // In memory's order, so that the first byte that differs decides.
    // SAFETY: below, it is called where a word is left.
    let word = |of: *const u8, at: usize| unsafe { u64::from_be(of.add(at).cast::<u64>().read_unaligned()) };
    let mut at = 0;
    while at + WORD <= length {
        let (l, r) = (word(left, at), word(right, at));
        if l != r {
            return l.cmp(&r);
        }
        at += WORD;
    }
    if length >= WORD {
        // The last word, of which some is compared for the second time.
        return word(left, length - WORD).cmp(&word(right, length - WORD));
    }
    while at < length {
        // SAFETY: the caller's promise.
        let (l, r) = unsafe { (*left.add(at), *right.add(at)) };
        if l != r {
            return l.cmp(&r);
        }
        at += 1;
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look like chance, the same each time.
    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|n| u8::try_from((n * 7919 + n / 3) % 251).unwrap()).collect()
    }

    #[test]
    fn any_copy_is_what_a_loop_makes_of_it_whatever_overlaps() {
        let original = bytes(800);
        for length in (0..150).chain([191, 192, 193, 255, 256, 257, 300]) {
            for from in [150, 151] {
                for distance in (-150..150).chain([-300, 300]) {
                    let to = usize::try_from(from + distance).unwrap_or_default();
                    let from = usize::try_from(from).unwrap();
                    let written = to..to + length;
                    let byte = |at: usize| original[if written.contains(&at) { at - to + from } else { at }];
                    let expected: Vec<u8> = (0..original.len()).map(byte).collect();
                    let mut copied = original.clone();
                    let start = copied.as_mut_ptr();
                    // SAFETY: 150 + 300 + 150 bytes at most.
                    let returned = unsafe { memmove(start.add(to), start.add(from), length) };
                    assert_eq!(returned, start.wrapping_add(to));
                    assert!(copied == expected, "{length} bytes from {from} to {to}");
                }
            }
        }
    }

    #[test]
    fn whatever_differs_first_decides_as_unsigned_bytes() {
        for length in 0..70 {
            let left = bytes(length);
            for at in 0..length {
                for (byte, order) in [(255, -1), (left[at], 0)] {
                    let mut right = left.clone();
                    right[at] = byte;
                    // What comes later does not matter.
                    if let (Some(later), true) = (right.get_mut(at + 1), order != 0) {
                        *later = 0;
                    }
                    // SAFETY: both have that length.
                    let compared = unsafe {
                        (
                            memcmp(left.as_ptr(), right.as_ptr(), length),
                            memcmp(right.as_ptr(), left.as_ptr(), length),
                        )
                    };
                    assert_eq!(compared, (order, -order), "{length} bytes, {at}");
                    // SAFETY: likewise.
                    assert_eq!(unsafe { bcmp(left.as_ptr(), right.as_ptr(), length) } == 0, order == 0);
                }
            }
        }
    }
}
