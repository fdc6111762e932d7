//! Reads the source: one module for each `mod`, with its declarations and paths.

use proc_macro2::{Spacing, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};
use syn::{Attribute, File, ImplItem, Item, ItemMod, ItemUse, Meta, Stmt, UseTree, Visibility};

/// The first segment of a path that belongs to another crate in any case: `::wasmtime::Engine`.
pub const OTHERS: &str = "::";

/// A module, in a file of its own or inline.
#[derive(Debug, Default)]
pub struct Module {
    /// Its path below the crate's root; empty for the root.
    pub path: Vec<String>,
    /// The file.
    pub file: PathBuf,
    /// Whether it is compiled only for tests.
    pub is_test: bool,
    /// The parent module; none for the root.
    pub parent: Option<usize>,
    /// Its child modules.
    pub children: BTreeMap<String, usize>,
    /// Its other declarations.
    pub items: BTreeSet<String>,
    /// Its imports.
    pub imports: Vec<Import>,
    /// Its paths.
    pub named: BTreeSet<Named>,
}

/// An import.
#[derive(Debug)]
pub struct Import {
    /// The imported name; none for a glob import.
    pub name: Option<String>,
    /// The path.
    pub path: Vec<String>,
    /// Whether other modules see it here.
    pub is_public: bool,
}

/// A path as written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// Its segments.
    pub path: Vec<String>,
    /// Whether it is compiled only for tests.
    pub is_test: bool,
    /// Whether it is a re-export: `pub use`.
    pub is_handed_on: bool,
}

/// The modules of a crate; the root is the first.
#[derive(Debug, Default)]
pub struct Crate {
    /// The modules.
    pub modules: Vec<Module>,
}

impl Crate {
    /// Reads a crate from the file of its root.
    ///
    /// # Panics
    ///
    /// If a file cannot be read or parsed; such a file does not compile either.
    pub fn read(root: &Path) -> Self {
        let mut read = Crate::default();
        read.modules.push(Module { file: root.to_owned(), ..Module::default() });
        let text = std::fs::read_to_string(root).unwrap_or_else(|e| panic!("{}: {e}", root.display()));
        read.add(0, &parse(root, &text), root.parent().unwrap_or(root));
        read
    }

    /// Reads a crate of one file.
    pub fn of_text(text: &str) -> Self {
        let (mut read, file) = (Crate::default(), Path::new("lib.rs"));
        read.modules.push(Module { file: file.to_owned(), ..Module::default() });
        read.add(0, &parse(file, text), Path::new(""));
        read
    }

    fn add(&mut self, module: usize, file: &File, directory: &Path) {
        let is_test = self.modules[module].is_test;
        let mut reader = Reader { read: self, module, directory: directory.to_owned(), is_test };
        reader.visit_file(file);
    }
}

fn parse(path: &Path, text: &str) -> File {
    syn::parse_file(text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Walks the syntax of one file.
struct Reader<'a> {
    read: &'a mut Crate,
    module: usize,
    /// The directory with the files of the module's children.
    directory: PathBuf,
    is_test: bool,
}

impl Reader<'_> {
    fn here(&mut self) -> &mut Module {
        &mut self.read.modules[self.module]
    }

    fn name(&mut self, path: Vec<String>, is_handed_on: bool) {
        let is_test = self.is_test;
        self.here().named.insert(Named { path, is_test, is_handed_on });
    }

    fn within(&mut self, attributes: &[Attribute], visit: impl FnOnce(&mut Self)) {
        let before = self.is_test;
        self.is_test |= attributes.iter().any(is_for_tests);
        visit(self);
        self.is_test = before;
    }

    fn import(&mut self, tree: &UseTree, path: &[String], visibility: &Visibility) {
        match tree {
            UseTree::Path(part) => {
                self.import(&part.tree, &[path, &[part.ident.to_string()]].concat(), visibility);
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree, path, visibility)),
            UseTree::Glob(_) => self.import_as(None, path.to_vec(), visibility),
            UseTree::Name(name) if name.ident == "self" => {
                self.import_as(path.last().cloned(), path.to_vec(), visibility);
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                self.import_as(Some(name.clone()), [path, &[name]].concat(), visibility);
            }
            UseTree::Rename(rename) => {
                let of = Some(rename.ident.to_string()).filter(|of| of != "self");
                let whole = path.iter().cloned().chain(of).collect();
                self.import_as(Some(rename.rename.to_string()), whole, visibility);
            }
        }
    }

    fn import_as(&mut self, name: Option<String>, path: Vec<String>, visibility: &Visibility) {
        let is_public = !matches!(visibility, Visibility::Inherited);
        self.here().imports.push(Import { name, path: path.clone(), is_public });
        self.name(path, matches!(visibility, Visibility::Public(_)));
    }

    fn tokens(&mut self, tokens: TokenStream) {
        for path in paths(tokens) {
            self.name(path, false);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if let Some(name) = declared(item) {
            self.here().items.insert(name);
        }
        self.within(attributes(item), |reader| visit::visit_item(reader, item));
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            ImplItem::Macro(item) => &item.attrs,
            _ => &Vec::new(),
        };
        self.within(attributes, |reader| visit::visit_impl_item(reader, item));
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        let attributes = match statement {
            Stmt::Local(local) => &local.attrs,
            Stmt::Macro(called) => &called.attrs,
            _ => &Vec::new(),
        };
        self.within(attributes, |reader| visit::visit_stmt(reader, statement));
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let name = item.ident.to_string();
        let mut path = self.here().path.clone();
        path.push(name.clone());
        let (own, directory) = (self.here().file.clone(), self.directory.join(&name));
        let candidates = [self.directory.join(format!("{name}.rs")), directory.join("mod.rs")];
        let file = match &item.content {
            Some(_) => own,
            None => candidates
                .into_iter()
                .find(|file| file.exists())
                .unwrap_or_else(|| panic!("there is no file of module {}", path.join("::"))),
        };
        let (module, is_test) = (self.read.modules.len(), self.is_test);
        let declared =
            Module { path, file: file.clone(), is_test, parent: Some(self.module), ..Module::default() };
        self.read.modules.push(declared);
        self.here().children.insert(name, module);
        match &item.content {
            Some((_, items)) => {
                let mut inner = Reader { read: self.read, module, directory, is_test };
                items.iter().for_each(|item| inner.visit_item(item));
            }
            None => {
                let text =
                    std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
                self.read.add(module, &parse(&file, &text), &directory);
            }
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let root = item.leading_colon.map(|_| OTHERS.to_owned());
        self.import(&item.tree, root.as_slice(), &item.vis);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let root = path.leading_colon.map(|_| OTHERS.to_owned());
        let segments = path.segments.iter().map(|segment| segment.ident.to_string());
        self.name(root.into_iter().chain(segments).collect(), false);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.tokens(called.tokens.clone());
        visit::visit_macro(self, called);
    }
}

/// The paths among tokens that are not parsed (a macro's arguments).
pub fn paths(tokens: TokenStream) -> Vec<Vec<String>> {
    let (mut found, mut path) = (Vec::new(), Vec::<String>::new());
    // The number of colons of a `::` since the last segment.
    let mut colons = 0;
    for token in tokens {
        match token {
            TokenTree::Ident(segment) => {
                if colons != 2 && !path.is_empty() {
                    found.push(std::mem::take(&mut path));
                }
                path.push(segment.to_string());
                colons = 0;
                continue;
            }
            TokenTree::Punct(mark) if mark.as_char() == ':' => {
                let is_first = colons == 0 && mark.spacing() == Spacing::Joint;
                colons = if is_first || colons == 1 { colons + 1 } else { 3 };
                continue;
            }
            TokenTree::Group(group) => {
                found.push(std::mem::take(&mut path));
                found.extend(paths(group.stream()));
            }
            _ => found.push(std::mem::take(&mut path)),
        }
        colons = 0;
    }
    found.push(path);
    found.retain(|path| !path.is_empty());
    found
}

/// Whether an attribute restricts an item to tests.
pub fn is_for_tests(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else { return false };
    let words = paths(list.tokens.clone());
    list.path.is_ident("cfg")
        && words.iter().any(|word| word == &["test"])
        && words.iter().all(|word| word != &["not"])
}

fn declared(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

/// The attributes of an item.
pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
