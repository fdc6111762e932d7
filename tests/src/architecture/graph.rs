//! The dependency graph: every path, resolved through imports and re-exports to the declaration.

use super::source::{Crate, Import, Module, Named};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// One dependency of a file on another file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrow {
    /// The file that contains the path.
    pub from: PathBuf,
    /// The file with the declaration.
    pub to: PathBuf,
    /// The path as written.
    pub path: String,
    /// Whether it is compiled only for tests.
    pub is_test: bool,
    /// Whether a module only re-exports a name of a module below it.
    pub is_handed_on: bool,
}

/// The target of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Module(usize),
    /// A declaration of this module.
    Item(usize),
}

/// A crate whose paths this module can resolve.
#[derive(Debug)]
pub struct Graph<'a> {
    read: &'a Crate,
    /// The name of the crate itself in paths.
    name: &'a str,
}

/// The limit for following re-exports. Two modules that re-export everything of each other have no end.
const DEPTH: usize = 16;

impl<'a> Graph<'a> {
    /// The graph of a crate.
    pub fn of(read: &'a Crate, name: &'a str) -> Self {
        Graph { read, name }
    }

    /// Every dependency between two files.
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

    /// The dependencies between modules directly below the root: from, to, path.
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

    /// The modules directly below the root that another crate names, and the paths.
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

    /// The modules directly below the root that a path goes through.
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
                // A member of a declaration: a variant, a function.
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

    /// The target of a name in a module, as seen `from` another module; none if it belongs to another crate.
    fn look_up(&self, number: usize, name: &str, from: usize, depth: usize) -> BTreeSet<Target> {
        let module = &self.read.modules[number];
        let child = module.children.get(name).map(|child| Target::Module(*child));
        let item = module.items.contains(name).then_some(Target::Item(number));
        let mut found: BTreeSet<Target> = child.into_iter().chain(item).collect();
        let Some(depth) = depth.checked_sub(1) else { return found };
        let is_inside = self.read.modules[from].path.starts_with(&module.path);
        let seen = || module.imports.iter().filter(|import| import.is_public || is_inside);
        for import in seen().filter(|import| import.name.as_deref() == Some(name)) {
            // `use name;` belongs to another crate, or has no effect.
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

/// Replaces the first segment of a path by its import.
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

    /// The dependencies between modules, for a crate in one file.
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
    fn tests_are_distinguished() {
        let text = "mod a { #[cfg(test)] mod tests { use crate::b; } #[cfg(test)] use crate::c; #[cfg(not(test))] use crate::d; }
            mod b {} mod c {} mod d {}";
        assert_eq!(named(text), ["a b test", "a c test", "a d"]);
    }

    #[test]
    fn a_re_exported_name_leads_to_its_declaration() {
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
        // Only `a` sees it; the test treats it like a macro's declaration.
        assert_eq!(declared("Private"), ["a"]);
    }
}
