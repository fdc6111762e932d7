//! A rule of nftables in two forms: the words that add it, and the JSON statements of its listing.

use serde_json::{Value, json};
use std::net::IpAddr;

/// A listed rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The chain of the rule.
    pub chain: String,
    /// The handle that deletes the rule. None if the rule is new in a transaction that is not committed yet.
    pub handle: Option<u64>,
    /// The comment, if the rule has one.
    pub comment: Option<String>,
    /// The statements in the format of `libnftables-json(5)`.
    pub statements: Vec<Value>,
}

/// A rule to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRule {
    /// The chain of the rule.
    pub chain: String,
    /// The statements. The last one is the verdict.
    pub statements: Vec<Statement>,
    /// The comment, if the rule gets one.
    pub comment: Option<String>,
}

/// A part of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// A condition for packets.
    Match(Selector, Operator, Operand),
    /// Words in the syntax of `nft(8)` whose JSON form is unknown. A rule with such words is recognised by its last
    /// statement.
    Words(Vec<String>),
    /// Continues in a chain, and afterwards with the next rule.
    Jump(String),
    /// Continues in a chain, and afterwards in the chain that called this one.
    Goto(String),
    /// Continues in the chain that called this one.
    Return,
    /// Drops the packet.
    Drop,
    /// Replaces the source of the packet by the address of the link that it leaves through.
    Masquerade,
    /// Forwards the packet to an address and a port.
    Dnat(IpAddr, u16),
}

/// The part of a packet that a condition compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// A field of a header, for example `ip saddr` or `tcp dport`.
    Payload(String, &'static str),
    /// Metadata of the packet, for example `iifname`.
    Meta(&'static str),
    /// The type of the destination address: `fib daddr type`.
    DestinationType,
}

/// The comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Equal, without an operator in the text.
    Is,
    /// Equal, with `==` in the text, as the reference writes it in some rules.
    Equal,
    /// Not equal.
    NotEqual,
}

/// The value that a condition compares with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// An address.
    Address(IpAddr),
    /// A network: address and prefix length.
    Network(IpAddr, u8),
    /// A port.
    Number(u16),
    /// A keyword or a MAC address.
    Word(String),
    /// The name of a link.
    Name(String),
}

impl NewRule {
    /// Whether a listed rule is the same: chain, comment and statements.
    pub fn is(&self, listed: &Rule) -> bool {
        listed.chain == self.chain && listed.comment == self.comment && self.says(listed)
    }

    /// Whether a listed rule has the same statements. Comments are not compared.
    pub fn says(&self, listed: &Rule) -> bool {
        let is_same = |(own, listed): (&Statement, &Value)| own.json() == *listed;
        if self.is_free() {
            return self.statements.last().zip(listed.statements.last()).is_some_and(is_same);
        }
        self.statements.len() == listed.statements.len()
            && self.statements.iter().zip(&listed.statements).all(is_same)
    }

    /// Whether the rule contains words whose JSON form is unknown.
    pub fn is_free(&self) -> bool {
        self.statements.iter().any(|statement| matches!(statement, Statement::Words(_)))
    }

    /// The rule as it will be listed. Words whose JSON form is unknown take the place of statements.
    pub fn listed(&self) -> Rule {
        Rule {
            chain: self.chain.clone(),
            handle: None,
            comment: self.comment.clone(),
            statements: self.statements.iter().map(Statement::json).collect(),
        }
    }

    /// The words after the chain.
    pub fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = self.statements.iter().flat_map(Statement::words).collect();
        if let Some(comment) = &self.comment {
            words.extend(["comment".to_owned(), quoted(comment)]);
        }
        words
    }
}

impl Statement {
    /// The statement in the format of `libnftables-json(5)`.
    pub fn json(&self) -> Value {
        match self {
            Statement::Match(left, operator, right) => {
                let operator = if *operator == Operator::NotEqual { "!=" } else { "==" };
                json!({"match": {"op": operator, "left": left.json(), "right": right.json()}})
            }
            Statement::Words(words) => json!({ "words": words }),
            Statement::Jump(chain) => json!({"jump": {"target": chain}}),
            Statement::Goto(chain) => json!({"goto": {"target": chain}}),
            Statement::Return => json!({"return": null}),
            Statement::Drop => json!({"drop": null}),
            Statement::Masquerade => json!({"masquerade": null}),
            Statement::Dnat(address, port) => json!({"dnat": {"addr": address, "port": port}}),
        }
    }

    /// The statement in the syntax of `nft(8)`.
    fn words(&self) -> Vec<String> {
        let all = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        match self {
            Statement::Match(left, operator, right) => {
                let operator = match operator {
                    Operator::Is => None,
                    Operator::Equal => Some("==".to_owned()),
                    Operator::NotEqual => Some("!=".to_owned()),
                };
                left.words().into_iter().chain(operator).chain([right.word()]).collect()
            }
            Statement::Words(words) => words.clone(),
            Statement::Jump(chain) => all(&["jump", chain]),
            Statement::Goto(chain) => all(&["goto", chain]),
            Statement::Return => all(&["return"]),
            Statement::Drop => all(&["drop"]),
            Statement::Masquerade => all(&["masquerade"]),
            Statement::Dnat(IpAddr::V4(v4), port) => all(&["dnat", "to", &format!("{v4}:{port}")]),
            Statement::Dnat(IpAddr::V6(v6), port) => all(&["dnat", "to", &format!("[{v6}]:{port}")]),
        }
    }
}

impl Selector {
    fn json(&self) -> Value {
        match self {
            Selector::Payload(protocol, field) => json!({"payload": {"protocol": protocol, "field": field}}),
            Selector::Meta(key) => json!({"meta": {"key": key}}),
            Selector::DestinationType => json!({"fib": {"result": "type", "flags": ["daddr"]}}),
        }
    }

    fn words(&self) -> Vec<String> {
        match self {
            Selector::Payload(protocol, field) => vec![protocol.clone(), (*field).to_owned()],
            Selector::Meta(key) => vec![(*key).to_owned()],
            Selector::DestinationType => ["fib", "daddr", "type"].map(str::to_owned).to_vec(),
        }
    }
}

impl Operand {
    fn json(&self) -> Value {
        match self {
            Operand::Address(address) => json!(address),
            // A network of one address is listed as an address.
            Operand::Network(address, length) if *length == whole(*address) => json!(address),
            Operand::Network(address, length) => json!({"prefix": {"addr": address, "len": length}}),
            Operand::Number(number) => json!(number),
            Operand::Word(text) | Operand::Name(text) => json!(text),
        }
    }

    fn word(&self) -> String {
        match self {
            Operand::Address(address) => address.to_string(),
            Operand::Network(address, length) => format!("{address}/{length}"),
            Operand::Number(number) => number.to_string(),
            Operand::Word(text) => text.clone(),
            Operand::Name(name) if is_no_keyword(name) => name.clone(),
            Operand::Name(name) => quoted(name),
        }
    }
}

/// The number of bits of an address.
fn whole(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Whether a name needs no quotes. No keyword of the syntax is as long and consists of letters and digits only.
fn is_no_keyword(name: &str) -> bool {
    name.len() >= 12
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric())
}

/// Quotes a text. Within quotes, only the quote itself has a meaning, and it cannot be escaped.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}
