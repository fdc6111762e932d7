//! Finds code that depends on the set of actions: code that names a variant of a closed list, or has a `_` arm for the
//! rest.

use super::source::{attributes, is_for_tests, paths};
use proc_macro2::TokenStream;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Expr, ExprMatch, File, Item, Pat, Token, UseTree};

/// What a file knows about the lists.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Variants that it names, such as `Action::SetUp`.
    pub variants: BTreeSet<String>,
    /// Variants next to which a `match` has an arm for all others.
    pub rests: BTreeSet<String>,
}

/// Reads a file; `lists` are the names of the enums.
pub fn known(file: &File, lists: &[&str]) -> Known {
    let mut aliases: BTreeMap<String, String> =
        lists.iter().map(|list| ((*list).to_owned(), (*list).to_owned())).collect();
    // An alias of an alias: `type` and `use … as` may come in any order.
    for _ in 0..lists.len() + 1 {
        let mut finder = Aliases { found: aliases };
        finder.visit_file(file);
        aliases = finder.found;
    }
    let mut reader = Reader { aliases: Rc::new(aliases), own: None, known: Known::default() };
    reader.visit_file(file);
    reader.known
}

/// Finds the names of the enums in a file.
struct Aliases {
    found: BTreeMap<String, String>,
}

impl Aliases {
    fn import(&mut self, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => self.import(&path.tree),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree)),
            UseTree::Rename(rename) => {
                if let Some(list) = self.found.get(&rename.ident.to_string()).cloned() {
                    self.found.insert(rename.rename.to_string(), list);
                }
            }
            _ => {}
        }
    }
}

impl<'ast> Visit<'ast> for Aliases {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.import(&item.tree);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        if let syn::Type::Path(path) = &*item.ty
            && let Some(segment) = path.path.segments.last()
            && let Some(list) = self.found.get(&segment.ident.to_string()).cloned()
        {
            self.found.insert(item.ident.to_string(), list);
        }
    }
}

struct Reader {
    aliases: Rc<BTreeMap<String, String>>,
    /// The enum that `Self` means here, if it is one of the lists.
    own: Option<String>,
    known: Known,
}

impl Reader {
    /// The variant that a path names.
    fn variant(&self, path: &[String]) -> Option<String> {
        path.windows(2).find_map(|pair| {
            let [list, variant] = pair else { return None };
            let list = if list == "Self" { self.own.as_ref() } else { self.aliases.get(list) }?;
            is_variant(variant).then(|| format!("{list}::{variant}"))
        })
    }

    fn note(&mut self, path: &[String]) {
        self.known.variants.extend(self.variant(path));
    }

    fn import(&mut self, tree: &UseTree, path: &mut Vec<String>) {
        match tree {
            UseTree::Path(part) => {
                path.push(part.ident.to_string());
                self.import(&part.tree, path);
                path.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree, path)),
            UseTree::Name(name) => self.note(&[path.as_slice(), &[name.ident.to_string()]].concat()),
            UseTree::Rename(rename) => self.note(&[path.as_slice(), &[rename.ident.to_string()]].concat()),
            UseTree::Glob(_) => {
                if let Some(list) = path.last().and_then(|last| self.aliases.get(last)) {
                    self.known.variants.insert(format!("{list}::*"));
                }
            }
        }
    }

    /// The variants that a pattern names.
    fn of_pattern(&self, pattern: &Pat) -> BTreeSet<String> {
        let mut inner =
            Reader { aliases: Rc::clone(&self.aliases), own: self.own.clone(), known: Known::default() };
        inner.visit_pat(pattern);
        inner.known.variants
    }

    /// Whether `pattern` matches the rest where `other` names a variant: `_`, or `Some(_)` next to
    /// `Some(Action::SetUp(_))`.
    fn takes_rest(&self, pattern: &Pat, other: &Pat) -> bool {
        let all = |patterns: &Punctuated<Pat, Token![,]>, others: &Punctuated<Pat, Token![,]>| {
            let mut pairs = patterns.iter().zip(others);
            patterns.len() == others.len()
                && pairs.clone().any(|(pattern, other)| self.takes_rest(pattern, other))
                && pairs.all(|(pattern, other)| takes_all(pattern) || self.takes_rest(pattern, other))
        };
        match (pattern, other) {
            (pattern, other) if takes_all(pattern) => !self.of_pattern(other).is_empty(),
            (Pat::Or(or), other) => or.cases.iter().any(|case| self.takes_rest(case, other)),
            (pattern, Pat::Or(or)) => or.cases.iter().any(|case| self.takes_rest(pattern, case)),
            (Pat::Paren(inner), other) => self.takes_rest(&inner.pat, other),
            (pattern, Pat::Paren(inner)) => self.takes_rest(pattern, &inner.pat),
            (Pat::Reference(inner), Pat::Reference(other)) => self.takes_rest(&inner.pat, &other.pat),
            (Pat::Tuple(inner), Pat::Tuple(other)) => all(&inner.elems, &other.elems),
            (Pat::TupleStruct(inner), Pat::TupleStruct(other)) => {
                inner.path == other.path
                    && self.variant(&segments(&inner.path)).is_none()
                    && all(&inner.elems, &other.elems)
            }
            _ => false,
        }
    }

    /// A macro's arguments: all paths, and the matches in those that parse as expressions.
    fn tokens(&mut self, tokens: &TokenStream) {
        for path in paths(tokens.clone()) {
            self.note(&path);
        }
        let list =
            |input: syn::parse::ParseStream<'_>| Punctuated::<Expr, Token![,]>::parse_terminated(input);
        let block = |input: syn::parse::ParseStream<'_>| input.call(syn::Block::parse_within);
        if let Ok(expressions) = syn::parse::Parser::parse2(list, tokens.clone()) {
            expressions.iter().for_each(|expression| self.visit_expr(expression));
        } else if let Ok(statements) = syn::parse::Parser::parse2(block, tokens.clone()) {
            statements.iter().for_each(|statement| self.visit_stmt(statement));
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        if attributes(item).iter().any(is_for_tests) {
            return;
        }
        let before = self.own.clone();
        if let Item::Impl(item) = item {
            let name = match &*item.self_ty {
                syn::Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
                _ => None,
            };
            self.own = name.and_then(|name| self.aliases.get(&name).cloned());
        }
        visit::visit_item(self, item);
        self.own = before;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.import(&item.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.note(&segments(path));
        visit::visit_path(self, path);
    }

    fn visit_expr_match(&mut self, matched: &'ast ExprMatch) {
        // A guard tests something else, and an arm with a guard does not match all others.
        let patterns =
            || matched.arms.iter().map(|arm| &arm.pat).filter(|pattern| !matches!(pattern, Pat::Guard(_)));
        let bare = |arm: &'ast syn::Arm| match &arm.pat {
            Pat::Guard(guarded) => &*guarded.pat,
            pattern => pattern,
        };
        // Most matches have none: they are not about the lists.
        let naming: Vec<&Pat> =
            matched.arms.iter().map(bare).filter(|pattern| !self.of_pattern(pattern).is_empty()).collect();
        let has_rest = |other: &&Pat| patterns().any(|pattern| self.takes_rest(pattern, other));
        let with_rest = naming.iter().copied().filter(has_rest);
        let rests: BTreeSet<String> = with_rest.flat_map(|other| self.of_pattern(other)).collect();
        self.known.rests.extend(rests);
        visit::visit_expr_match(self, matched);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.tokens(&called.tokens);
        visit::visit_macro(self, called);
    }
}

fn segments(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

/// Whether a name is the name of a variant, and not of a function or a constant.
fn is_variant(name: &str) -> bool {
    let is_upper = name.chars().next().is_some_and(char::is_uppercase);
    is_upper && (name.len() == 1 || name.chars().any(char::is_lowercase))
}

/// Whether a pattern matches everything that no other arm matches.
fn takes_all(pattern: &Pat) -> bool {
    match pattern {
        Pat::Wild(_) | Pat::Rest(_) => true,
        Pat::Ident(bound) => {
            let is_name = bound.ident.to_string().chars().next().is_some_and(char::is_lowercase);
            is_name && bound.subpat.as_ref().is_none_or(|(_, pattern)| takes_all(pattern))
        }
        Pat::Paren(inner) => takes_all(&inner.pat),
        Pat::Reference(inner) => takes_all(&inner.pat),
        Pat::Tuple(tuple) => tuple.elems.iter().all(takes_all),
        Pat::Or(or) => or.cases.iter().any(takes_all),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Known {
        known(&syn::parse_file(text).unwrap(), &["Action", "Undo"])
    }

    fn variants(text: &str) -> Vec<String> {
        read(text).variants.into_iter().collect()
    }

    #[test]
    fn a_variant_is_found_wherever_it_is_named() {
        for text in [
            "fn f(a: &Action) { match a { Action::SetUp(_) => {} } }",
            "fn f(a: &Action) -> bool { matches!(a, Action::SetUp(up) if up.is_it()) }",
            "fn f(a: &Action) { if let Some(crate::action::Action::SetUp(up)) = a {} }",
            "fn f(a: &Action) { let Action::SetUp(up) = a else { return }; }",
            "fn f() -> Action { Action::SetUp(SetUp { link }) }",
            "fn f(up: Vec<SetUp>) { up.into_iter().map(Action::SetUp); }",
            "fn f() { assert_eq!(plan.first(), Some(&Action::SetUp(up))); }",
            "use crate::action::{Action as Done, Query}; fn f(a: &Done) { if let Done::SetUp(_) = a {} }",
            "type Done = Action; fn f(a: &Done) { if let Done::SetUp(_) = a {} }",
            "use crate::action::Action::{self, SetUp}; fn f(a: &Action) { if let SetUp(_) = a {} }",
            "use crate::action::Action::SetUp as Up; fn f(a: &Action) { if let Up(_) = a {} }",
            "impl Action { fn f(&self) { if let Self::SetUp(_) = self {} } }",
        ] {
            assert_eq!(variants(text), ["Action::SetUp"], "{text}");
        }
        assert_eq!(variants("use crate::action::Action::*; fn f() {}"), ["Action::*"]);
        assert_eq!(variants("fn f(u: &Undo) { if let Undo::SetDown { link } = u {} }"), ["Undo::SetDown"]);
    }

    #[test]
    fn code_that_only_passes_actions_on_names_no_variant() {
        for text in [
            "use crate::action::{Action, SetUp}; fn f(a: Action) -> Vec<Action> { vec![a] }",
            "fn f(a: &Action) { a.commands(); Action::parse(\"x\"); Action::MOST; }",
            "fn f(c: Command) { match c { Command::Add => {} _ => {} } }",
            "#[cfg(test)] mod tests { fn f(a: &Action) { matches!(a, Action::SetUp(_)); } }",
        ] {
            assert_eq!(read(text), Known::default(), "{text}");
        }
    }

    #[test]
    fn an_arm_for_all_others_is_found() {
        for arm in ["_ => {}", "other => {}", "Some(_) => {}", "Some(_) | None => {}"] {
            let text =
                format!("fn f(a: Option<&Action>) {{ match a {{ Some(Action::SetUp(_)) => {{}} {arm} }} }}");
            assert_eq!(read(&text).rests, BTreeSet::from(["Action::SetUp".to_owned()]), "{text}");
        }
        let guarded = "fn f() { match a { Action::SetUp(_) if true => {} _ => {} } }";
        assert_eq!(read(guarded).rests, BTreeSet::from(["Action::SetUp".to_owned()]));
        let pairs = "fn f() { match (a, b) { (Action::SetUp(_), 5) => {} (_, _) => {} } }";
        assert_eq!(read(pairs).rests, BTreeSet::from(["Action::SetUp".to_owned()]));
        let inside = "fn f() { assert!(match a { Undo::SetDown { .. } => true, _ => false }); }";
        assert_eq!(read(inside).rests, BTreeSet::from(["Undo::SetDown".to_owned()]));
        for text in [
            "fn f(a: &Action) { match a { Action::SetUp(_) => {} Action::Settle(_) | Action::Announce(_) => {} } }",
            "fn f(a: Option<&Action>) { match a { Some(Action::SetUp(_)) => {} None => {} } }",
            "fn f(a: Option<&Action>) { match a { Some(Action::SetUp(_)) => {} Some(_) if true => {} } }",
            "fn f(x: u8) { match x { 1 if a == Action::SetUp(up) => {} _ => {} } }",
            "fn f(a: &Action) { match a { Action::SetUp(SetUp { link: _, .. }) => {} } match x { 1 => {} _ => {} } }",
        ] {
            assert_eq!(read(text).rests, BTreeSet::new(), "{text}");
        }
    }
}
