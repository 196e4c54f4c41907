//! The stock messages of keys. Private to this crate: they carry secrets, so no `Clone`, no `Debug`, and
//! their numbers are zeroized when dropped.

use zeroize::Zeroize as _;

#[derive(prost::Message)]
#[prost(skip_debug)]
pub(super) struct KeyWire {
    #[prost(string, optional, tag = "1")]
    pub(super) key_name: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(super) key_type: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub(super) key_format: Option<String>,
    #[prost(message, optional, tag = "4")]
    pub(super) rsa_key: Option<RsaWire>,
    #[prost(message, optional, tag = "5")]
    pub(super) ecc_key: Option<EccWire>,
    #[prost(bytes = "vec", optional, tag = "6")]
    pub(super) secret_key_bits: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "7")]
    pub(super) certificate: Option<Vec<u8>>,
    #[prost(string, optional, tag = "9")]
    pub(super) not_before: Option<String>,
    #[prost(string, optional, tag = "10")]
    pub(super) not_after: Option<String>,
    /// Ours.
    #[prost(bytes = "vec", optional, tag = "100")]
    pub(super) ed25519_public: Option<Vec<u8>>,
}

impl Drop for KeyWire {
    fn drop(&mut self) {
        self.secret_key_bits.zeroize();
    }
}

#[derive(prost::Message)]
#[prost(skip_debug)]
pub(super) struct RsaWire {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub(super) modulus: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(super) public_exponent: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(super) private_exponent: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(super) p: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "5")]
    pub(super) q: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "6")]
    pub(super) dp: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "7")]
    pub(super) dq: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "8")]
    pub(super) iqmp: Option<Vec<u8>>,
}

impl Drop for RsaWire {
    fn drop(&mut self) {
        for number in
            [&mut self.private_exponent, &mut self.p, &mut self.q, &mut self.dp, &mut self.dq, &mut self.iqmp]
        {
            number.zeroize();
        }
    }
}

#[derive(prost::Message)]
#[prost(skip_debug)]
pub(super) struct EccWire {
    #[prost(string, optional, tag = "1")]
    pub(super) curve_name: Option<String>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(super) p: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(super) a: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(super) b: Option<Vec<u8>>,
    #[prost(message, optional, tag = "5")]
    pub(super) base_point: Option<PointWire>,
    #[prost(message, optional, tag = "6")]
    pub(super) public_point: Option<PointWire>,
    #[prost(bytes = "vec", optional, tag = "7")]
    pub(super) order: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "8")]
    pub(super) private_multiplier: Option<Vec<u8>>,
}

impl Drop for EccWire {
    fn drop(&mut self) {
        self.private_multiplier.zeroize();
    }
}

#[derive(prost::Message)]
#[prost(skip_debug)]
pub(super) struct PointWire {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub(super) x: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(super) y: Option<Vec<u8>>,
}
