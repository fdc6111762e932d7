//! The inputs that the fuzzers have kept, `fuzz/corpus`.
//!
//! `TARGET.txt` has an input a line ([`line`](mod@line)), sorted; a file of the folder `TARGET` is an input whose name says what it once found.
//! cargo-fuzz reads and writes folders with a file for each input: [`Corpus::unpack`] makes one, and [`pack`] makes the text of it.

pub mod line;

use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// The inputs of a target.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Corpus {
    /// Those in files of their own, by name.
    pub named: Vec<(String, Vec<u8>)>,
    /// The lines of the text file, in order.
    pub lines: Vec<Vec<u8>>,
}

impl Corpus {
    /// Reads the corpus of a target from `fuzz/corpus`.
    ///
    /// # Errors
    /// A file cannot be read, or a line is not as [`line::encode`] writes it.
    pub fn read(corpora: &Path, target: &str) -> Result<Corpus> {
        let path = corpora.join(format!("{target}.txt"));
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let input = |(number, text): (usize, &str)| {
            line::decode(text).with_context(|| format!("{}:{}", path.display(), number + 1))
        };
        let lines = text.lines().enumerate().map(input).collect::<Result<_>>()?;
        Ok(Corpus { named: files(&corpora.join(target))?, lines })
    }

    /// All inputs, each once.
    pub fn inputs(&self) -> BTreeSet<&[u8]> {
        self.named.iter().map(|(_, input)| input).chain(&self.lines).map(Vec::as_slice).collect()
    }

    /// Makes `folder` anew, with a file for each input: the named ones under their names, the others under the numbers of their lines.
    ///
    /// # Errors
    /// The folder has an input that the corpus lacks: it would be lost. Or it cannot be written.
    pub fn unpack(&self, folder: &Path) -> Result<()> {
        let inputs = self.inputs();
        for (name, input) in files(folder)? {
            let path = folder.join(name);
            ensure!(inputs.contains(input.as_slice()), "{} is not packed: pack or delete it", path.display());
        }
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let lines =
            self.lines.iter().enumerate().map(|(number, input)| (format!("{:05}", number + 1), input));
        for (name, input) in self.named.iter().map(|(name, input)| (name.clone(), input)).chain(lines) {
            let path = folder.join(name);
            fs::write(&path, input).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }
}

/// Writes the text file of a target: each input of `folder` that is not a named one, once. Gives how many these are.
///
/// # Errors
/// The folder is missing or empty, or something cannot be read or written.
pub fn pack(corpora: &Path, target: &str, folder: &Path) -> Result<usize> {
    let named = files(&corpora.join(target))?;
    let mut inputs: BTreeSet<Vec<u8>> = files(folder)?.into_iter().map(|(_, input)| input).collect();
    ensure!(!inputs.is_empty(), "{} has no inputs: unpack them first", folder.display());
    inputs.retain(|input| !named.iter().any(|(_, named)| named == input));
    let text: String = inputs.iter().map(|input| line::encode(input) + "\n").collect();
    let path = corpora.join(format!("{target}.txt"));
    fs::write(&path, text).with_context(|| path.display().to_string())?;
    Ok(inputs.len())
}

/// The files of a folder with their contents, by name; none of one that is not there.
fn files(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| folder.display().to_string())?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).context("a name is no UTF-8")?.to_owned();
        files.push((name, fs::read(&path).with_context(|| path.display().to_string())?));
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository with one named input and two lines, and a folder to unpack into.
    fn repository() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("plan")).unwrap();
        fs::write(directory.path().join("plan/what-it-found"), "named").unwrap();
        fs::write(directory.path().join("plan.txt"), "a\\nb\n{}\n").unwrap();
        directory
    }

    #[test]
    fn what_is_unpacked_and_packed_is_the_same_text() {
        let directory = repository();
        let (corpora, folder) = (directory.path(), directory.path().join("unpacked"));
        let corpus = Corpus::read(corpora, "plan").unwrap();
        assert_eq!(corpus.lines, [b"a\nb".to_vec(), b"{}".to_vec()]);
        corpus.unpack(&folder).unwrap();
        assert_eq!(fs::read(folder.join("00001")).unwrap(), b"a\nb");
        assert_eq!(fs::read(folder.join("what-it-found")).unwrap(), b"named");
        // As cargo-fuzz names them, the named one too.
        for (number, (name, _)) in files(&folder).unwrap().into_iter().enumerate() {
            fs::rename(folder.join(name), folder.join(format!("hash{number}"))).unwrap();
        }
        assert_eq!(pack(corpora, "plan", &folder).unwrap(), 2);
        assert_eq!(Corpus::read(corpora, "plan").unwrap(), corpus);
    }

    #[test]
    fn an_input_that_is_not_packed_is_not_lost() {
        let directory = repository();
        let (corpora, folder) = (directory.path(), directory.path().join("unpacked"));
        Corpus::read(corpora, "plan").unwrap().unpack(&folder).unwrap();
        fs::write(folder.join("new"), "\\").unwrap();
        let error = Corpus::read(corpora, "plan").unwrap().unpack(&folder).unwrap_err();
        assert!(error.to_string().contains("new is not packed"), "{error}");
        assert_eq!(pack(corpora, "plan", &folder).unwrap(), 3);
        assert_eq!(fs::read_to_string(corpora.join("plan.txt")).unwrap(), "\\\\\na\\nb\n{}\n");
        Corpus::read(corpora, "plan").unwrap().unpack(&folder).unwrap();
    }

    #[test]
    fn nothing_is_packed_of_a_folder_without_inputs() {
        let directory = repository();
        assert!(pack(directory.path(), "plan", &directory.path().join("none")).is_err());
        assert_eq!(fs::read_to_string(directory.path().join("plan.txt")).unwrap(), "a\\nb\n{}\n");
    }
}
