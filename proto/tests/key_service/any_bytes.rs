//! Bytes of any kind.

use claviger_proto::frame::HEADER;
use claviger_proto::key_service::{Dialect, decode_request, decode_response};
use claviger_proto::{Entry, ResourceName};
use proptest::prelude::*;

use super::common::data;
use super::{RequestWire, decode, dom0, some_entry, store_wire};

proptest! {
    #[test]
    fn t20_any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_request(Dialect::Ours, &dom0(), &bytes);
        let _ = decode_response(&bytes, None);
        let _ = Entry::decode(&bytes);
    }

    #[test]
    fn t20_damaged_frames_never_panic(i: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        for file in ["stock_store_entry.request", "stock_retrieve_entry.response", "retrieve_server_cert.response"] {
            let mut bytes = data(&format!("keyservice/{file}.frame"))[HEADER..].to_vec();
            let at = i.index(bytes.len());
            bytes[at] = byte;
            bytes.truncate(cut.index(bytes.len()).max(at + 1));
            let _ = decode_request(Dialect::Ours, &dom0(), &bytes);
            let _ = decode_response(&bytes, None);
        }
    }

    #[test]
    fn t11_whatever_is_accepted_has_a_name_of_this_domain(
        name in prop_oneof![r"[a-c./%\\*-]{0,10}", any::<String>()],
        tag in prop_oneof![r"[a-c./%\\*-]{0,10}", any::<String>()],
        as_entry: bool,
    ) {
        let data = Entry { tag: tag.clone(), ..some_entry() }.encode().to_vec();
        let wire = if as_entry {
            RequestWire { resource_name: Some(name.clone()), value_type: None, data: Some(data), ..store_wire() }
        } else {
            RequestWire { resource_name: Some(name.clone()), ..store_wire() }
        };
        let meant = if as_entry { tag } else { name };
        match decode(&wire) {
            Ok(request) => prop_assert_eq!(request.name().unwrap(), &ResourceName::parse_in(&dom0(), &meant).unwrap()),
            Err(error) => prop_assert_eq!(error, ResourceName::parse_in(&dom0(), &meant).unwrap_err()),
        }
    }
}
