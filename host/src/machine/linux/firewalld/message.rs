//! The part of the D-Bus message format that a call with strings and its reply need (D-Bus Specification, "Message
//! Protocol").

use std::io;

/// The size of the fixed part, in bytes: byte order, type, flags, version, length of the body, serial, length of the
/// header fields.
pub const START_BYTES: usize = 16;

/// In bytes. No reply to our calls is longer.
const MAX_BYTES: usize = 1 << 20;

const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;

/// The numbers of the header fields.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// A value in a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Type `b`.
    Bool(bool),
    /// Type `s`.
    Text(String),
}

/// A message that was received.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// A method return.
    Returned {
        /// The serial of the call.
        to: u32,
        /// The first value, if it is of a supported type.
        value: Option<Value>,
    },
    /// An error reply.
    Error {
        /// The serial of the call.
        to: u32,
        /// The name of the error, for example `org.fedoraproject.FirewallD1.Exception`.
        name: String,
        /// The text of the error.
        value: Option<Value>,
    },
    /// Any other message.
    Other,
}

/// A method call with string arguments. `to` is path, interface, member and destination.
pub fn call(serial: u32, to: [&str; 4], arguments: &[&str]) -> Vec<u8> {
    let mut body = Vec::new();
    for argument in arguments {
        text(&mut body, argument);
    }
    let mut fields = Vec::new();
    for (number, (kind, value)) in
        [PATH, INTERFACE, MEMBER, DESTINATION].into_iter().zip(["o", "s", "s", "s"].into_iter().zip(to))
    {
        align(&mut fields, 8);
        fields.push(number);
        signature(&mut fields, kind);
        text(&mut fields, value);
    }
    if !arguments.is_empty() {
        align(&mut fields, 8);
        fields.push(SIGNATURE);
        signature(&mut fields, "g");
        signature(&mut fields, &"s".repeat(arguments.len()));
    }
    let mut message = vec![b'l', METHOD_CALL, 0, 1];
    for number in [length(&body), serial, length(&fields)] {
        message.extend(number.to_le_bytes());
    }
    message.extend(fields);
    align(&mut message, 8);
    message.extend(body);
    message
}

/// The number of bytes that follow the fixed part.
pub fn rest(start: &[u8; START_BYTES]) -> io::Result<usize> {
    let mut reader = Reader { bytes: start, at: 4, is_little: is_little(start)? };
    let (body, _, fields) = (reader.number()?, reader.number()?, reader.number()?);
    let (body, fields) = (usize::try_from(body), usize::try_from(fields));
    let (Ok(body), Ok(fields)) = (body, fields) else { return Err(nonsense("its length")) };
    if body > MAX_BYTES || fields > MAX_BYTES {
        return Err(nonsense("its length"));
    }
    Ok(fields.next_multiple_of(8) + body)
}

/// Parses a message from its fixed part and the rest.
pub fn reply(start: &[u8; START_BYTES], rest: &[u8]) -> io::Result<Reply> {
    let whole = [start.as_slice(), rest].concat();
    let mut reader = Reader { bytes: &whole, at: START_BYTES - 4, is_little: is_little(start)? };
    let fields = reader.number()?;
    let end = START_BYTES + usize::try_from(fields).map_err(|_| nonsense("its fields"))?;
    let (mut to, mut name, mut kinds) = (0, String::new(), String::new());
    while reader.at < end {
        reader.align(8);
        let number = reader.byte()?;
        let kind = reader.signature()?;
        match (kind.as_str(), number) {
            ("u", REPLY_SERIAL) => to = reader.number()?,
            ("s", ERROR_NAME) => name = reader.text()?,
            ("g", SIGNATURE) => kinds = reader.signature()?,
            ("u", _) => drop(reader.number()?),
            ("s" | "o", _) => drop(reader.text()?),
            ("g", _) => drop(reader.signature()?),
            _ => return Err(nonsense("a field of its header")),
        }
    }
    reader.align(8);
    let value = match kinds.as_bytes().first() {
        Some(b's') => Some(Value::Text(reader.text()?)),
        Some(b'b') => Some(Value::Bool(reader.number()? == 1)),
        _ => None,
    };
    Ok(match start[1] {
        METHOD_RETURN => Reply::Returned { to, value },
        ERROR => Reply::Error { to, name, value },
        _ => Reply::Other,
    })
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    is_little: bool,
}

impl Reader<'_> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, count: usize) -> io::Result<&[u8]> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end)).ok_or_else(|| nonsense("its end"))?;
        self.at += count;
        Ok(taken)
    }

    fn byte(&mut self) -> io::Result<u8> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    fn number(&mut self) -> io::Result<u32> {
        self.align(4);
        let is_little = self.is_little;
        let bytes: [u8; 4] = self.take(4)?.try_into().map_err(|_| nonsense("a number"))?;
        Ok(if is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    fn text(&mut self) -> io::Result<String> {
        let length = usize::try_from(self.number()?).map_err(|_| nonsense("a text"))?;
        self.string(length)
    }

    fn signature(&mut self) -> io::Result<String> {
        let length = self.byte()?.into();
        self.string(length)
    }

    /// Reads a string of this length and its terminating zero.
    fn string(&mut self, length: usize) -> io::Result<String> {
        let text = String::from_utf8(self.take(length)?.to_vec()).map_err(|_| nonsense("a text"))?;
        self.take(1)?;
        Ok(text)
    }
}

fn align(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    align(bytes, 4);
    bytes.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.push(0);
}

fn signature(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    bytes.extend(text.as_bytes());
    bytes.push(0);
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn is_little(start: &[u8; START_BYTES]) -> io::Result<bool> {
    match start[0] {
        b'l' => Ok(true),
        b'B' => Ok(false),
        _ => Err(nonsense("its byte order")),
    }
}

fn nonsense(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a message that makes no sense: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(bytes: &[u8]) -> [u8; START_BYTES] {
        bytes[..START_BYTES].try_into().unwrap()
    }

    #[test]
    fn a_call_is_parsed_as_it_was_written() {
        let mut bytes = call(7, ["/a", "b.c", "d", "e.f"], &["zone", "10.1.2.3/32"]);
        assert_eq!(rest(&start(&bytes)).unwrap(), bytes.len() - START_BYTES);
        // Parsed as a reply, so the first value is the first argument.
        bytes[1] = METHOD_RETURN;
        let read = reply(&start(&bytes), &bytes[START_BYTES..]).unwrap();
        assert_eq!(read, Reply::Returned { to: 0, value: Some(Value::Text("zone".to_owned())) });
    }

    #[test]
    fn an_invalid_message_is_an_error() {
        let bytes = call(1, ["/a", "b.c", "d", "e.f"], &["x"]);
        for end in START_BYTES..bytes.len() - 1 {
            assert!(reply(&start(&bytes), &bytes[START_BYTES..end]).is_err(), "{end}");
        }
        for (index, byte) in [(0, b'x'), (7, 0xff), (15, 0xff)] {
            let mut bytes = bytes.clone();
            bytes[index] = byte;
            assert!(rest(&start(&bytes)).is_err(), "{index}");
        }
    }
}
