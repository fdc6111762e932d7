use super::{compare, copy};
use nix::libc::{_SC_PAGESIZE, sysconf};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect};
use std::cmp::Ordering;
use std::num::NonZeroUsize;

/// Lengths with every branch of a copy, and with one to four turns of its loop.
fn lengths() -> impl Iterator<Item = usize> {
    (0..150).chain([191, 192, 193, 255, 256, 257, 300])
}

/// Numbers that look like chance, the same each time.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| u8::try_from((n * 7919 + n / 3) % 251).unwrap()).collect()
}

#[test]
fn a_copy_is_what_a_loop_makes_of_it_whatever_overlaps() {
    let original = bytes(800);
    for length in lengths() {
        for from in [150, 151] {
            for distance in (-150..150).chain([-300, 300]) {
                let to = usize::try_from(from + distance).unwrap_or_default();
                let from = usize::try_from(from).unwrap();
                let written = to..to + length;
                let byte = |at: usize| original[if written.contains(&at) { at - to + from } else { at }];
                let expected: Vec<u8> = (0..original.len()).map(byte).collect();
                let mut copied = original.clone();
                let start = copied.as_mut_ptr();
                // SAFETY: 151 + 300 + 300 bytes at most.
                unsafe { copy(start.add(to), start.add(from), length) };
                assert!(copied == expected, "{length} bytes from {from} to {to}");
            }
        }
    }
}

#[test]
fn the_first_byte_that_differs_decides_as_an_unsigned_number() {
    for length in 0..70 {
        let left = bytes(length);
        for at in 0..length {
            for (byte, order) in [(255, Ordering::Less), (left[at], Ordering::Equal)] {
                let mut right = left.clone();
                right[at] = byte;
                // What comes later does not matter.
                if let (Some(later), Ordering::Less) = (right.get_mut(at + 1), order) {
                    *later = 0;
                }
                // SAFETY: both have that length.
                let compared = unsafe {
                    (
                        compare(left.as_ptr(), right.as_ptr(), length),
                        compare(right.as_ptr(), left.as_ptr(), length),
                    )
                };
                assert_eq!(compared, (order, order.reverse()), "{length} bytes, {at}");
            }
        }
    }
}

/// Memory of one page, between two pages that nobody may touch.
struct Fenced {
    start: *mut u8,
    page: usize,
}

impl Fenced {
    fn new() -> Fenced {
        // SAFETY: it takes no pointer.
        let page = usize::try_from(unsafe { sysconf(_SC_PAGESIZE) }).unwrap();
        let length = NonZeroUsize::new(3 * page).unwrap();
        // SAFETY: at no address that is used. It stays for the rest of the process.
        let start = unsafe {
            let all = mmap_anonymous(None, length, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE).unwrap();
            let middle = all.byte_add(page);
            mprotect(middle, page, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE).unwrap();
            middle.cast().as_ptr()
        };
        Fenced { start, page }
    }

    /// The first bytes of the page, and its last.
    fn ends(&self, length: usize) -> [*mut u8; 2] {
        [self.start, self.start.wrapping_add(self.page - length)]
    }
}

/// One access beyond the length kills the process with SIGSEGV.
#[test]
fn nothing_is_touched_beyond_the_length() {
    let (one, other) = (Fenced::new(), Fenced::new());
    for length in lengths() {
        for from in one.ends(length) {
            for to in other.ends(length) {
                // SAFETY: both ends lie in the page.
                unsafe {
                    from.copy_from(bytes(length).as_ptr(), length);
                    copy(to, from, length);
                    assert_eq!(compare(to, from, length), Ordering::Equal);
                    assert_eq!(std::slice::from_raw_parts(to, length), bytes(length));
                }
            }
        }
    }
}
