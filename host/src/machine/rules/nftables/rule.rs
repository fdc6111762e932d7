//! A rule of nftables in both its forms: the words that add it, and the statements in JSON that it is listed with.

use serde_json::{Value, json};
use std::net::IpAddr;

/// A rule that is listed.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The chain that it is in.
    pub chain: String,
    /// What deletes it; none: a transaction that is yet to be made adds it.
    pub handle: Option<u64>,
    /// None, if it has no comment.
    pub comment: Option<String>,
    /// Its statements, as `libnftables-json(5)` has them.
    pub statements: Vec<Value>,
}

/// A rule that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRule {
    /// The chain that it is in.
    pub chain: String,
    /// What it says; of more than one the last is its verdict.
    pub statements: Vec<Statement>,
    /// None: it gets no comment.
    pub comment: Option<String>,
}

/// A part of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// The rule is about packets of which this holds.
    Match(Selector, Operator, Operand),
    /// Words of `nft(8)` whose listed form is not known: a rule with some is known again by its last statement.
    Words(Vec<String>),
    /// Goes on in a chain, and after that in the next rule.
    Jump(String),
    /// Goes on in a chain, and after that where this one was called.
    Goto(String),
    /// Goes on where this chain was called.
    Return,
    /// Drops the packet.
    Drop,
    /// Gives the packet the address of the link that it leaves by.
    Masquerade,
    /// Sends the packet to an address and a port.
    Dnat(IpAddr, u16),
}

/// What of a packet is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// A field of a header: `ip saddr`, `tcp dport`.
    Payload(String, &'static str),
    /// What the kernel knows beside: `iifname`.
    Meta(&'static str),
    /// The type of the address that it is for: `fib daddr type`.
    DestinationType,
}

/// How it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// It is equal, and no operator is written.
    Is,
    /// It is equal, and `==` is written, as the reference does in some rules.
    Equal,
    /// It is another.
    NotEqual,
}

/// With what it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// An address.
    Address(IpAddr),
    /// The addresses with these first bits.
    Network(IpAddr, u8),
    /// A port.
    Number(u16),
    /// A keyword, an Ethernet address.
    Word(String),
    /// The name of a link.
    Name(String),
}

impl NewRule {
    /// Whether a listed rule is this one: chain, comment and statements.
    pub fn is(&self, listed: &Rule) -> bool {
        listed.chain == self.chain && listed.comment == self.comment && self.says(listed)
    }

    /// Whether a listed rule has the same statements, whatever its comment.
    pub fn says(&self, listed: &Rule) -> bool {
        let is_same = |(own, listed): (&Statement, &Value)| own.json() == *listed;
        if self.is_free() {
            return self.statements.last().zip(listed.statements.last()).is_some_and(is_same);
        }
        self.statements.len() == listed.statements.len()
            && self.statements.iter().zip(&listed.statements).all(is_same)
    }

    /// Whether a part of it is known as words alone.
    pub fn is_free(&self) -> bool {
        self.statements.iter().any(|statement| matches!(statement, Statement::Words(_)))
    }

    /// How it is listed once it was added; words of which that is not known stand in the place of statements.
    pub fn listed(&self) -> Rule {
        Rule {
            chain: self.chain.clone(),
            handle: None,
            comment: self.comment.clone(),
            statements: self.statements.iter().map(Statement::json).collect(),
        }
    }

    /// Its words after the chain.
    pub fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = self.statements.iter().flat_map(Statement::words).collect();
        if let Some(comment) = &self.comment {
            words.extend(["comment".to_owned(), quoted(comment)]);
        }
        words
    }
}

impl Statement {
    /// As `libnftables-json(5)` has it.
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

    /// As `nft(8)` takes it.
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
            // A network of one address is listed as that.
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

/// How many bits an address has.
fn whole(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Whether a name needs no quotes: no word of the language is that long and has only letters and digits.
fn is_no_keyword(name: &str) -> bool {
    name.len() >= 12
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric())
}

/// A text in quotes. Nothing in it but a quote has a meaning, and that cannot be written.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}
