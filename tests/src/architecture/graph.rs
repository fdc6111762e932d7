//! What names what: every path, followed through imports and names that are handed on, to where the thing is declared.

use super::source::{Crate, Import, Module, Named};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// That a file names something of another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrow {
    /// Who names.
    pub from: PathBuf,
    /// Where that is declared.
    pub to: PathBuf,
    /// The path as it is written.
    pub path: String,
    /// Whether it is compiled for tests alone.
    pub is_test: bool,
    /// Whether a module hands a name on of one below it, and has no other use of it.
    pub is_handed_on: bool,
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Module(usize),
    /// Something that this module declares.
    Item(usize),
}

/// A crate whose paths can be followed.
#[derive(Debug)]
pub struct Graph<'a> {
    read: &'a Crate,
    /// The name under which paths call the crate itself.
    name: &'a str,
}

/// Names that are handed on are followed so far: of two modules that hand on all of each other there is no end.
const DEPTH: usize = 16;

impl<'a> Graph<'a> {
    /// The graph of a crate.
    pub fn of(read: &'a Crate, name: &'a str) -> Self {
        Graph { read, name }
    }

    /// Who names what of another file.
    pub fn arrows(&self) -> BTreeSet<Arrow> {
        let mut arrows = BTreeSet::new();
        for (number, module) in self.read.modules.iter().enumerate() {
            for named in &module.named {
                for target in self.follow(number, &named.path, DEPTH) {
                    let Target::Item(declares) = target else { continue };
                    let to = &self.read.modules[declares].file;
                    if *to != module.file {
                        arrows.insert(Arrow {
                            from: module.file.clone(),
                            to: to.clone(),
                            path: named.path.join("::"),
                            is_test: named.is_test,
                            is_handed_on: named.is_handed_on
                                && self.read.modules[declares].path.starts_with(&module.path),
                        });
                    }
                }
            }
        }
        arrows
    }

    /// The modules right below the root that others of them name: which one, which other, by which path.
    pub fn between(&self) -> BTreeSet<(&'a str, &'a str, &'a Named)> {
        let mut found = BTreeSet::new();
        for (number, module) in self.read.modules.iter().enumerate() {
            let Some(from) = module.path.first() else { continue };
            for named in &module.named {
                let passed = self.passed(number, &named.path).into_iter().filter(|to| to != from);
                found.extend(passed.map(|to| (from.as_str(), to, named)));
            }
        }
        found
    }

    /// The modules right below the root that another crate names, by which path.
    pub fn named_by<'b>(&self, other: &'b Crate) -> BTreeSet<(&'a str, &'b Named)> {
        let mut found = BTreeSet::new();
        for module in &other.modules {
            for named in &module.named {
                let whole = spelled_out(module, &named.path);
                if whole.first().is_some_and(|first| first == self.name) {
                    found.extend(self.passed(0, &whole).into_iter().map(|to| (to, named)));
                }
            }
        }
        found
    }

    /// The modules right below the root that a path passes.
    fn passed(&self, from: usize, path: &[String]) -> BTreeSet<&'a str> {
        let parts = (1..=path.len()).filter_map(|length| path.get(..length));
        let targets = parts.flat_map(|part| self.follow(from, part, DEPTH));
        let modules = targets.filter_map(|target| match target {
            Target::Module(module) => self.read.modules[module].path.first(),
            Target::Item(_) => None,
        });
        modules.map(String::as_str).collect()
    }

    fn follow(&self, from: usize, path: &[String], depth: usize) -> BTreeSet<Target> {
        let Some((first, mut rest)) = path.split_first() else { return BTreeSet::new() };
        let mut found: BTreeSet<Target> = match first.as_str() {
            "crate" => [Target::Module(0)].into(),
            name if name == self.name => [Target::Module(0)].into(),
            "self" => [Target::Module(from)].into(),
            "super" => self.read.modules[from].parent.map(Target::Module).into_iter().collect(),
            name => self.look_up(from, name, from, depth),
        };
        while let Some((segment, after)) = rest.split_first() {
            let step = |target: Target| match target {
                // Of what it declares: a variant, a function.
                Target::Item(_) => [target].into(),
                Target::Module(module) if segment == "super" => {
                    self.read.modules[module].parent.map(Target::Module).into_iter().collect()
                }
                Target::Module(module) => {
                    let found = self.look_up(module, segment, from, depth);
                    // A macro may have declared it.
                    if found.is_empty() { [Target::Item(module)].into() } else { found }
                }
            };
            found = found.into_iter().flat_map(step).collect();
            rest = after;
        }
        found
    }

    /// What a name is in a module, for who reads it `from` another one; nothing, if it is of another crate.
    fn look_up(&self, number: usize, name: &str, from: usize, depth: usize) -> BTreeSet<Target> {
        let module = &self.read.modules[number];
        let child = module.children.get(name).map(|child| Target::Module(*child));
        let item = module.items.contains(name).then_some(Target::Item(number));
        let mut found: BTreeSet<Target> = child.into_iter().chain(item).collect();
        let Some(depth) = depth.checked_sub(1) else { return found };
        let is_inside = self.read.modules[from].path.starts_with(&module.path);
        let seen = || module.imports.iter().filter(|import| import.is_public || is_inside);
        for import in seen().filter(|import| import.name.as_deref() == Some(name)) {
            // `use name;` is of another crate, or says nothing.
            if import.path.as_slice() != [name] {
                found.extend(self.follow(number, &import.path, depth));
            }
        }
        if found.is_empty() {
            for glob in seen().filter(|import| import.name.is_none()) {
                for target in self.follow(number, &glob.path, depth) {
                    if let Target::Module(of) = target
                        && of != number
                    {
                        found.extend(self.look_up(of, name, from, depth));
                    }
                }
            }
        }
        found
    }
}

/// A path with what an import put in the place of its first segment.
fn spelled_out(module: &Module, path: &[String]) -> Vec<String> {
    let is_it = |import: &&Import| import.name.is_some() && import.name.as_ref() == path.first();
    match module.imports.iter().find(is_it) {
        Some(import) => [import.path.as_slice(), path.get(1..).unwrap_or_default()].concat(),
        None => path.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which module names which other, of a crate in one file.
    fn named(text: &str) -> Vec<String> {
        let read = Crate::of_text(text);
        let graph = Graph::of(&read, "own");
        let text = |(from, to, named): (&str, &str, &Named)| {
            format!("{from} {to}{}", if named.is_test { " test" } else { "" })
        };
        graph.between().into_iter().map(text).collect::<BTreeSet<_>>().into_iter().collect()
    }

    #[test]
    fn a_module_is_named_however_the_path_is_written() {
        for text in [
            "use crate::b;",
            "use crate::{b, c as _};",
            "use crate::{self as all, b::{self, T}};",
            "use super::b::T as U;",
            "pub use self::super::b::T;",
            "fn f() { crate::b::f(); }",
            "fn f(t: super::b::T) {}",
            "mod d { mod e { fn f() { super::super::super::b::f(); } } }",
            "fn f() { println!(\"{}\", crate::b::f()); }",
            "fn f() { use crate::b::T; }",
            "use crate as all; fn f() { all::b::f(); }",
            "use own::b;",
            "impl crate::b::Tr for T {}",
            "#[derive(Debug)] struct S<T: crate::b::Tr>(T);",
        ] {
            let text = format!(
                "mod a {{ {text} }} mod b {{ pub struct T; pub fn f() {{}} pub trait Tr {{}} }} mod c {{}}"
            );
            let found = named(&text);
            assert!(found.contains(&"a b".to_owned()), "{text}: {found:?}");
        }
        assert_eq!(named("mod a { use b::T; fn f() { ::b::f(); } } mod b {}"), [""; 0]);
        assert_eq!(named("mod a { fn b() {} fn f() { b(); } } mod b {}"), [""; 0]);
    }

    #[test]
    fn tests_are_told_apart() {
        let text = "mod a { #[cfg(test)] mod tests { use crate::b; } #[cfg(test)] use crate::c; #[cfg(not(test))] use crate::d; }
            mod b {} mod c {} mod d {}";
        assert_eq!(named(text), ["a b test", "a c test", "a d"]);
    }

    #[test]
    fn a_name_that_is_handed_on_leads_to_where_it_is_declared() {
        let text = "mod a { pub use self::d::T; mod d { pub struct T; } use e::T as Private; mod e { pub struct T; } }
            mod b { use crate::a::T; use crate::a::Private; }";
        let read = Crate::of_text(text);
        let graph = Graph::of(&read, "own");
        let b = read.modules.iter().position(|module| module.path == ["b"]).unwrap();
        let declared = |name: &str| {
            let path = ["crate", "a", name].map(str::to_owned);
            graph
                .follow(b, &path, DEPTH)
                .into_iter()
                .map(|target| match target {
                    Target::Item(module) | Target::Module(module) => read.modules[module].path.join("::"),
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(declared("T"), ["a::d"]);
        // Nobody but `a` sees it; that is as if a macro had declared it.
        assert_eq!(declared("Private"), ["a"]);
    }
}
