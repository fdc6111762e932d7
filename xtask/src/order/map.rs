//! Reads the linker's map of a binary: the address of each section.

use anyhow::{Result, ensure};

/// The start of a symbol's hash in the legacy mangling: `17h`, 16 digits, `E`.
const HASH: usize = 3 + 16 + 1;

/// A function with a section of its own.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its symbol.
    pub name: String,
    /// Its address as linked.
    pub address: u64,
    /// Its size in bytes.
    pub size: u64,
}

impl Function {
    /// Its name, with `*` in place of the hash, if it has one.
    pub fn pattern(&self) -> String {
        let at = self.name.len().saturating_sub(HASH);
        match self.name.get(at..) {
            Some(hash) if self.name.starts_with("_ZN") && hash.starts_with("17h") => {
                format!("{}17h*", self.name.get(..at).unwrap_or_default())
            }
            _ => self.name.clone(),
        }
    }
}

/// The functions of a map in GNU ld's format: ` .text.NAME`, address, size and file, on one line or on two.
pub fn functions(map: &str) -> Result<Vec<Function>> {
    let mut functions = Vec::new();
    let mut lines = map.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(rest) = line.strip_prefix(" .text.") else { continue };
        let mut words = rest.split_whitespace();
        let name = words.next().unwrap_or_default();
        let mut numbers: Vec<&str> = words.collect();
        if numbers.is_empty() {
            numbers = lines.peek().map(|line| line.split_whitespace().collect()).unwrap_or_default();
        }
        let number = |at: usize| {
            let word = numbers.get(at).and_then(|word| word.strip_prefix("0x"));
            word.and_then(|word| u64::from_str_radix(word, 16).ok()).unwrap_or_default()
        };
        // Dropped sections have address 0.
        if let (address @ 1.., size @ 1..) = (number(0), number(1)) {
            functions.push(Function { name: name.to_owned(), address, size });
        }
    }
    ensure!(!functions.is_empty(), "the map has no functions: is it one of GNU ld?");
    Ok(functions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_read_whatever_the_length_of_its_names() {
        let map = " .text.main     0x0000000000001040       0x10 a.o
 .text._ZN1a9very_long17h0123456789abcdefE
                0x0000000000001050       0x20 a.o
 .text.dropped  0x0000000000000000       0x30 a.o
 .text          0x0000000000002000       0x40 libc.a(x.o)
";
        let function = |name: &str, address, size| Function { name: name.to_owned(), address, size };
        let expected = vec![
            function("main", 0x1040, 0x10),
            function("_ZN1a9very_long17h0123456789abcdefE", 0x1050, 0x20),
        ];
        assert_eq!(functions(map).unwrap(), expected);
        assert_eq!(expected[1].pattern(), "_ZN1a9very_long17h*");
        assert!(functions("").is_err());
    }
}
