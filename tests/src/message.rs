//! The wire's frames and messages, written and read by hand.
//!
//! Field by field, from the published `.proto` files and not from `claviger-proto`: a mistake there must not
//! cancel out here, and tests need messages that no well-behaved encoder makes.

/// A protobuf message that is being written.
#[derive(Clone, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a string or bytes field.
    #[must_use]
    pub fn bytes(mut self, number: u32, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.varint(u64::from(number) << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    /// Adds an int32, int64 or bool field.
    #[must_use]
    pub fn int(mut self, number: u32, value: i64) -> Self {
        self.varint(u64::from(number) << 3);
        self.varint(value.cast_unsigned());
        self
    }

    /// The message.
    pub fn done(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }
}

/// One field of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// A number.
    Int(u64),
    /// A string, bytes, or a message.
    Bytes(Vec<u8>),
}

/// A protobuf message, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader(Vec<(u32, Field)>);

impl Reader {
    /// Takes a message apart; none of ours has other fields than varints and length-delimited ones.
    pub fn parse(mut bytes: &[u8]) -> Self {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let number = u32::try_from(key >> 3).expect("a field number");
            let field = match key & 7 {
                0 => Field::Int(varint(&mut bytes)),
                2 => {
                    let length = usize::try_from(varint(&mut bytes)).expect("a length");
                    let (value, rest) = bytes.split_at(length);
                    bytes = rest;
                    Field::Bytes(value.to_vec())
                }
                other => panic!("wire type {other} in field {number}"),
            };
            fields.push((number, field));
        }
        Self(fields)
    }

    /// The numbers of its fields, in order.
    pub fn numbers(&self) -> Vec<u32> {
        self.0.iter().map(|(number, _)| *number).collect()
    }

    /// A length-delimited field.
    pub fn bytes(&self, number: u32) -> Option<&[u8]> {
        self.0.iter().rev().find_map(|(found, field)| match field {
            Field::Bytes(value) if *found == number => Some(value.as_slice()),
            _ => None,
        })
    }

    /// A string field.
    pub fn text(&self, number: u32) -> Option<&str> {
        self.bytes(number).map(|bytes| std::str::from_utf8(bytes).expect("UTF-8"))
    }

    /// A numeric field.
    pub fn int(&self, number: u32) -> Option<i64> {
        self.0.iter().rev().find_map(|(found, field)| match field {
            Field::Int(value) if *found == number => Some(value.cast_signed()),
            _ => None,
        })
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().expect("a whole varint");
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return value;
        }
    }
    panic!("a varint of more than ten bytes");
}

/// A frame around a body.
pub fn frame(body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(body.len()).expect("a test's message fits a frame");
    [&length.to_le_bytes(), body].concat()
}

/// A retrieve request, as a stock client writes it.
pub fn retrieve(name: &str) -> Vec<u8> {
    Writer::new().bytes(1, name).bytes(2, "retrieve").int(4, 0).done()
}

/// A retrieve request of one version.
pub fn retrieve_version(name: &str, version: i64) -> Vec<u8> {
    Writer::new().bytes(1, name).bytes(2, "retrieve").int(4, version).done()
}

/// A store request of a plain blob.
pub fn store(name: &str, blob: &[u8]) -> Vec<u8> {
    Writer::new().bytes(1, name).bytes(2, "store").bytes(3, "binary-blob").bytes(5, blob).done()
}

/// A store request of a whole entry.
pub fn store_entry(name: &str, entry: &[u8]) -> Vec<u8> {
    Writer::new().bytes(1, name).bytes(2, "store").bytes(3, "cryptstore-entry").bytes(5, entry).done()
}

/// A serialized `cryptstore_entry` of type `binary-blob`.
pub fn entry(tag: &str, version: i64, blob: &[u8], exportable: bool) -> Vec<u8> {
    Writer::new()
        .bytes(1, tag)
        .bytes(2, "binary-blob")
        .int(3, version)
        .bytes(5, blob)
        .int(6, exportable.into())
        .done()
}

/// A response of the key service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// As it came.
    pub body: Vec<u8>,
    /// Taken apart.
    pub fields: Reader,
}

impl Response {
    /// Reads a response, and checks what holds for every one of them: a failed one carries no data, or 32 bytes of
    /// challenge.
    pub fn read(body: Vec<u8>) -> Self {
        let fields = Reader::parse(&body);
        let response = Self { body, fields };
        assert!(matches!(response.status(), "succeeded" | "failed"), "{response:?}");
        if !response.succeeded() {
            let challenged = response.fields.text(2) == Some("request-further-authentication");
            let data = response.fields.bytes(4).map(<[u8]>::len);
            assert_eq!(data, challenged.then_some(32), "t16: a failed response carries data");
        }
        response
    }

    /// The challenge that it carries.
    #[track_caller]
    pub fn nonce(&self) -> [u8; 32] {
        assert_eq!(self.fields.text(2), Some("request-further-authentication"), "{:?}", self.fields);
        self.fields.bytes(4).and_then(|data| data.try_into().ok()).expect("32 bytes")
    }

    /// Its status.
    pub fn status(&self) -> &str {
        self.fields.text(3).unwrap_or_default()
    }

    /// Whether it says so.
    pub fn succeeded(&self) -> bool {
        self.status() == "succeeded"
    }

    /// The error code of our dialect.
    pub fn code(&self) -> &str {
        self.fields.text(101).unwrap_or_default()
    }

    /// The version that a store made, of our dialect.
    pub fn stored_version(&self) -> Option<i64> {
        self.fields.int(103)
    }

    /// The entry that it carries.
    #[track_caller]
    pub fn entry(&self) -> Reader {
        assert!(self.succeeded(), "{:?}", self.fields);
        Reader::parse(self.fields.bytes(4).expect("a successful retrieve carries an entry"))
    }

    /// The blob of the entry that it carries.
    #[track_caller]
    pub fn blob(&self) -> Vec<u8> {
        self.entry().bytes(5).unwrap_or_default().to_vec()
    }

    /// It succeeded.
    #[track_caller]
    pub fn ok(&self) -> &Self {
        assert!(self.succeeded(), "{:?}", self.fields);
        self
    }

    /// It was refused, with this code of our dialect.
    #[track_caller]
    pub fn refused(&self, code: &str) -> &Self {
        assert_eq!((self.status(), self.code()), ("failed", code), "{:?}", self.fields);
        self
    }

    /// Everything but the request id, which is different on every response.
    pub fn without_id(&self) -> Vec<(u32, Field)> {
        self.fields.0.iter().filter(|(number, _)| *number != 100).cloned().collect()
    }
}

/// An answer at admission: status 1, artifact 4, error code 101.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustResponse(pub Reader);

impl TrustResponse {
    /// Reads one; a failed one carries no artifact.
    pub fn read(body: &[u8]) -> Self {
        let response = Self(Reader::parse(body));
        if response.status() == "failed" {
            assert_eq!(response.artifact(), None, "t16: a failed response carries an artifact");
        }
        response
    }

    /// Its status.
    pub fn status(&self) -> &str {
        self.0.text(1).unwrap_or_default()
    }

    /// The challenge or the certificate.
    pub fn artifact(&self) -> Option<&[u8]> {
        self.0.bytes(4)
    }

    /// The error code of our dialect.
    pub fn code(&self) -> &str {
        self.0.text(101).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let body = Writer::new().bytes(1, "a").int(4, -1).bytes(100, [7; 300]).done();
        let read = Reader::parse(&body);
        assert_eq!(read.numbers(), [1, 4, 100]);
        assert_eq!((read.text(1), read.int(4)), (Some("a"), Some(-1)));
        assert_eq!(read.bytes(100).map(<[u8]>::len), Some(300));
    }

    #[test]
    fn a_stock_request_is_written_as_the_stock_client_writes_it() {
        // Captured from cf_key_client: everything but the explicit version 0 is the same.
        let captured = b"\x0a\x06secret\x12\x08retrieve";
        assert_eq!(Writer::new().bytes(1, "secret").bytes(2, "retrieve").done(), captured);
    }
}
