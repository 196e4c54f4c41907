//! The stock schema of keys, as the tests see it from outside.

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Wire {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) key_type: String,
    #[prost(string, tag = "3")]
    pub(crate) format: String,
    #[prost(message, optional, tag = "4")]
    pub(crate) rsa: Option<Rsa>,
    #[prost(message, optional, tag = "5")]
    pub(crate) ecc: Option<Ecc>,
    #[prost(bytes = "vec", tag = "6")]
    pub(crate) bits: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    pub(crate) certificate: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Rsa {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) n: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) e: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) d: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) p: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) q: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    pub(crate) dp: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    pub(crate) dq: Vec<u8>,
    #[prost(bytes = "vec", tag = "8")]
    pub(crate) iqmp: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Ecc {
    #[prost(string, tag = "1")]
    pub(crate) curve: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) p: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) a: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) b: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    pub(crate) base: Option<Point>,
    #[prost(message, optional, tag = "6")]
    pub(crate) public: Option<Point>,
    #[prost(bytes = "vec", tag = "7")]
    pub(crate) order: Vec<u8>,
    #[prost(bytes = "vec", tag = "8")]
    pub(crate) d: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Point {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) x: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) y: Vec<u8>,
}
