//! Copying and comparing in blocks. Every function reads and writes within the length that it gets, and nothing else:
//! the tests put both ends of that beside pages that cannot be touched.
#![expect(unsafe_code, reason = "memory by its address")]

use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_storeu_si128};
use std::cmp::Ordering;

type Block = __m128i;
const BLOCK: usize = size_of::<Block>();
/// What a turn of the loop copies.
const TURN: usize = 4 * BLOCK;

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
pub unsafe fn copy(to: *mut u8, from: *const u8, length: usize) {
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
pub unsafe fn compare(left: *const u8, right: *const u8, length: usize) -> Ordering {
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
mod tests;
