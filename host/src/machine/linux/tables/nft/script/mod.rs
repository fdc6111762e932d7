//! Conversion of edits to input for `nft`.
//!
//! The text format is needed for comments of tables and chains (nft 1.0.6), and for words whose JSON form is unknown.
//! The JSON format is needed for names with special characters. So names of letters are written as text, and all others
//! as JSON.

use crate::machine::rules::TableError;
use crate::machine::rules::nftables::{Edit, Hook, NewRule, Operand, Statement};
use serde_json::{Map, Value, json};

/// The input for `nft`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Script {
    /// In the syntax of `nft(8)`.
    Text(String),
    /// In the format of `libnftables-json(5)`.
    Json(String),
}

/// The script with all edits.
///
/// # Errors
///
/// Fails if one edit can only be written as text, and another only as JSON.
pub fn of(family: &str, table: &str, edits: &[Edit]) -> Result<Script, TableError> {
    let needs_text = |edit: &Edit| match edit {
        Edit::AddTable { comment } | Edit::AddChain { comment, .. } => comment.is_some(),
        Edit::AddRule(rule) => rule.is_free(),
        Edit::FlushChain(_) | Edit::DeleteRule { .. } | Edit::DeleteChain(_) | Edit::DeleteTable => false,
    };
    if edits.iter().all(is_text) {
        let lines = edits.iter().map(|edit| edit.line(family, table) + "\n");
        return Ok(Script::Text(lines.collect()));
    }
    if edits.iter().any(needs_text) {
        let text = format!("a name in table {family} {table} cannot be written as text");
        return Err(TableError::Failed(text));
    }
    let commands: Vec<Value> = edits.iter().map(|edit| json(family, table, edit)).collect();
    Ok(Script::Json(json!({ "nftables": commands }).to_string()))
}

/// Whether the text form of an edit is safe: it cannot contain another statement.
fn is_text(edit: &Edit) -> bool {
    match edit {
        Edit::AddTable { .. } | Edit::DeleteTable => true,
        Edit::AddChain { name, .. } => is_word(name),
        Edit::FlushChain(chain) | Edit::DeleteRule { chain, .. } | Edit::DeleteChain(chain) => is_word(chain),
        Edit::AddRule(NewRule { chain, statements, comment }) => {
            is_word(chain)
                && comment.as_deref().is_none_or(is_quotable)
                && statements.iter().all(|statement| match statement {
                    Statement::Jump(chain) | Statement::Goto(chain) => is_word(chain),
                    Statement::Match(_, _, Operand::Name(name)) => is_quotable(name),
                    Statement::Match(..)
                    | Statement::Words(_)
                    | Statement::Return
                    | Statement::Drop
                    | Statement::Masquerade
                    | Statement::Dnat(..) => true,
                })
        }
    }
}

/// Whether a name is a single word in every version of the syntax.
fn is_word(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_')
}

/// Whether a text can be quoted: within quotes, only the quote itself has a meaning.
fn is_quotable(text: &str) -> bool {
    !text.chars().any(|c| c == '"' || c.is_control())
}

fn json(family: &str, table: &str, edit: &Edit) -> Value {
    // `more` must be an object.
    let of = |verb: &str, thing: &str, more: Value| {
        let mut object = Map::new();
        object.insert("family".to_owned(), family.into());
        let key = if thing == "table" { "name" } else { "table" };
        object.insert(key.to_owned(), table.into());
        if let Value::Object(more) = more {
            object.extend(more);
        }
        json!({ verb: { thing: object } })
    };
    match edit {
        Edit::AddTable { .. } => of("add", "table", json!({})),
        Edit::AddChain { name, hook: None, .. } => of("add", "chain", json!({ "name": name })),
        Edit::AddChain { name, hook: Some(Hook { kind, hook, priority, policy }), .. } => {
            let mut chain = json!({"name": name, "type": kind, "hook": hook, "prio": priority});
            if let (Some(policy), Some(chain)) = (policy, chain.as_object_mut()) {
                chain.insert("policy".to_owned(), (*policy).into());
            }
            of("add", "chain", chain)
        }
        Edit::FlushChain(chain) => of("flush", "chain", json!({ "name": chain })),
        Edit::AddRule(NewRule { chain, statements, comment }) => {
            let statements: Vec<Value> = statements.iter().map(Statement::json).collect();
            let mut rule = json!({"chain": chain, "expr": statements});
            if let (Some(comment), Some(rule)) = (comment, rule.as_object_mut()) {
                rule.insert("comment".to_owned(), comment.as_str().into());
            }
            of("add", "rule", rule)
        }
        Edit::DeleteRule { chain, handle } => of("delete", "rule", json!({"chain": chain, "handle": handle})),
        Edit::DeleteChain(chain) => of("delete", "chain", json!({ "name": chain })),
        Edit::DeleteTable => of("delete", "table", json!({})),
    }
}

#[cfg(test)]
mod tests;
