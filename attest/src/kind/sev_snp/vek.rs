//! What a VCEK's or VLEK's certificate says in AMD's own extensions (57230, certificate extensions).

use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::prelude::FromDer as _;

use super::certs::Certificate;
use super::hex_bytes::ChipId;
use super::product::SnpProduct;
use super::report::SnpSigner;
use super::tcb::SnpTcb;

/// 1.3.6.1.4.1.3704.1
const AMD: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01];
const STRUCT_VERSION: &[u8] = &[1];
const PRODUCT_NAME: &[u8] = &[2];
const BL: &[u8] = &[3, 1];
const TEE: &[u8] = &[3, 2];
const SNP: &[u8] = &[3, 3];
const SPL4: &[u8] = &[3, 4];
const RESERVED: [&[u8]; 3] = [&[3, 5], &[3, 6], &[3, 7]];
const UCODE: &[u8] = &[3, 8];
const FMC: &[u8] = &[3, 9];
const HW_ID: &[u8] = &[4];
const CSP_ID: &[u8] = &[5];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 0x23];

/// The extensions of a VEK, all of them.
#[derive(Clone, Debug)]
pub(super) struct VekFacts {
    pub(super) product: SnpProduct,
    pub(super) tcb: SnpTcb,
    /// A VCEK's.
    pub(super) chip: Option<ChipId>,
    /// A VLEK's.
    pub(super) csp: Option<String>,
}

impl VekFacts {
    /// Reads them: each must be there, once, and no other may be.
    pub(super) fn of(certificate: &Certificate, signer: SnpSigner) -> Result<Self, String> {
        let known = [STRUCT_VERSION, PRODUCT_NAME, BL, TEE, SNP, SPL4, UCODE, FMC, HW_ID, CSP_ID];
        for extension in &certificate.extensions {
            let ours = extension.oid.strip_prefix(AMD);
            let fine = ours.is_some_and(|arc| known.contains(&arc) || RESERVED.contains(&arc))
                || (extension.oid == AUTHORITY_KEY_ID && !extension.critical);
            if !fine {
                return Err("it has an extension that AMD's don't have".to_owned());
            }
        }
        let facts = Reader(certificate);
        if facts.small(STRUCT_VERSION)? > 1 {
            return Err("its structVersion isn't known".to_owned());
        }
        let name = facts.text(PRODUCT_NAME)?;
        let product = SnpProduct::of_product_name(&name).ok_or(format!("its productName is {name:?}"))?;
        let tcb = facts.tcb(product)?;
        let (chip, csp) = match signer {
            SnpSigner::Vcek => {
                facts.none(CSP_ID)?;
                (Some(facts.chip(product)?), None)
            }
            SnpSigner::Vlek => {
                facts.none(HW_ID)?;
                (None, Some(facts.text(CSP_ID)?))
            }
        };
        Ok(Self { product, tcb, chip, csp })
    }
}

struct Reader<'a>(&'a Certificate);

impl Reader<'_> {
    fn value(&self, arc: &[u8]) -> Result<Option<&[u8]>, String> {
        self.0.extension(&[AMD, arc].concat()).map_err(str::to_owned)
    }

    fn required(&self, arc: &[u8]) -> Result<&[u8], String> {
        self.value(arc)?.ok_or_else(|| format!("it has no extension {}", name(arc)))
    }

    fn none(&self, arc: &[u8]) -> Result<(), String> {
        match self.value(arc)? {
            None => Ok(()),
            Some(_) => Err(format!("it has the extension {}, which belongs to the other kind", name(arc))),
        }
    }

    fn der(&self, arc: &[u8], tag: Tag) -> Result<&[u8], String> {
        match Any::from_der(self.required(arc)?) {
            Ok(([], any)) if any.header.tag() == tag && any.header.is_primitive() => Ok(any.data),
            _ => Err(format!("its extension {} isn't well-formed", name(arc))),
        }
    }

    /// An INTEGER of 0 to 255, in its shortest form.
    fn small(&self, arc: &[u8]) -> Result<u8, String> {
        match self.der(arc, Tag::Integer)? {
            [low] if *low < 0x80 => Ok(*low),
            [0, high] if *high >= 0x80 => Ok(*high),
            _ => Err(format!("its extension {} isn't a number from 0 to 255", name(arc))),
        }
    }

    fn text(&self, arc: &[u8]) -> Result<String, String> {
        let bytes = self.der(arc, Tag::Ia5String)?;
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii() && !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| format!("its extension {} isn't text", name(arc)))
    }

    fn tcb(&self, product: SnpProduct) -> Result<SnpTcb, String> {
        let turin = product == SnpProduct::Turin;
        // Where Turin's TCB has its SNP part, older ones have a fourth, reserved one.
        let spl4 = self.value(SPL4)?.is_some() || !turin;
        let reserved = RESERVED.into_iter().chain(spl4.then_some(SPL4));
        for arc in reserved {
            if self.small(arc)? != 0 {
                return Err(format!("its reserved extension {} isn't 0", name(arc)));
            }
        }
        if !turin {
            self.none(FMC)?;
        }
        Ok(SnpTcb {
            fmc: if turin { self.small(FMC)? } else { 0 },
            bootloader: self.small(BL)?,
            tee: self.small(TEE)?,
            snp: self.small(SNP)?,
            microcode: self.small(UCODE)?,
        })
    }

    /// AMD writes the bare bytes; an OCTET STRING around them is accepted too.
    fn chip(&self, product: SnpProduct) -> Result<ChipId, String> {
        let value = self.required(HW_ID)?;
        let length = product.chip_id_len();
        let bytes = if value.len() == length { value } else { self.der(HW_ID, Tag::OctetString)? };
        let id = if bytes.len() == length { ChipId::from_slice(bytes) } else { None };
        id.ok_or_else(|| format!("its hwID isn't a {product}'s"))
    }
}

fn name(arc: &[u8]) -> String {
    let arcs: Vec<_> = arc.iter().map(u8::to_string).collect();
    format!("1.3.6.1.4.1.3704.1.{}", arcs.join("."))
}
