//! What is encoded is what is decoded.

use claviger_proto::key_service::{
    Dialect, Echo, Generate, Latest, List, Listed, NameInfo, Outcome, PageSize, PutOptions, Request,
    Retrieve, Rotate, State, Store, Target, VersionInfo, Versions, Which, decode_request, decode_response,
    encode_response,
};
use claviger_proto::limits::MAX_KEY_SERVICE_FRAME;
use claviger_proto::{Entry, EntryType, ResourceName, Secret, Version};
use proptest::prelude::*;

use super::{dom0, field_numbers};

fn names() -> impl Strategy<Value = ResourceName> {
    r"(dom0|[A-Za-z0-9_-]{1,8})(/(dom0|[A-Za-z0-9_-][A-Za-z0-9._-]{0,8})){0,4}"
        .prop_map(|text| text.parse().unwrap())
}

fn some_version() -> impl Strategy<Value = Version> {
    (1..=Version::MAX).prop_map(|number| Version::new(number).unwrap())
}

fn options() -> impl Strategy<Value = PutOptions> {
    let latest = prop_oneof![Just(Latest::None), some_version().prop_map(Latest::Is)];
    (prop::option::of(latest), prop::option::of(1..i64::MAX))
        .prop_map(|(if_latest, expires)| PutOptions { if_latest, expires })
}

/// A request carries secrets, so it has no `Debug`; for a failed case its type is enough.
struct Sent(Request);

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.kind())
    }
}

fn requests() -> impl Strategy<Value = Sent> {
    let retrieve = || (names(), versions()).prop_map(|(name, version)| Retrieve { name, version });
    let page = || (1..300_usize).prop_map(|size| PageSize::new(size).unwrap());
    let which = prop_oneof![Just(Which::All), some_version().prop_map(Which::One)];
    let target = (names(), which).prop_map(|(name, versions)| Target { name, versions });
    let blob = prop::collection::vec(any::<u8>(), 1..200);
    let store = (names(), versions(), "[!-~]{1,64}", any::<bool>(), blob, options()).prop_map(
        |(name, version, entry_type, exportable, blob, options)| {
            let (entry_type, blob) = (entry_type.parse().unwrap(), Secret::new(blob));
            Sent(Request::Store(Store { name, version, entry_type, exportable, blob, options }))
        },
    );
    let generate = (names(), "[a-z0-9-]{1,32}", any::<bool>(), options()).prop_map(
        |(name, kind, exportable, options)| {
            Sent(Request::Generate(Generate { name, kind, exportable, options }))
        },
    );
    prop_oneof![
        store,
        generate,
        retrieve().prop_map(|retrieve| Sent(Request::Retrieve(retrieve))),
        retrieve().prop_map(|retrieve| Sent(Request::Describe(retrieve))),
        (names(), options()).prop_map(|(name, options)| Sent(Request::Rotate(Rotate { name, options }))),
        ("[a-z/]{0,20}", prop::option::of(names()), page())
            .prop_map(|(prefix, after, limit)| Sent(Request::List(List { prefix, after, limit }))),
        (names(), prop::option::of(some_version()), page())
            .prop_map(|(name, before, limit)| Sent(Request::Versions(Versions { name, before, limit }))),
        (target, 0..3).prop_map(|(target, which)| match which {
            0 => Sent(Request::Delete(target)),
            1 => Sent(Request::Undelete(target)),
            _ => Sent(Request::Destroy(target)),
        }),
    ]
}

fn infos() -> impl Strategy<Value = VersionInfo> {
    const STATES: [State; 4] = [State::There, State::Expired, State::Deleted, State::Destroyed];
    let times = (any::<i64>(), prop::option::of(1..i64::MAX));
    (some_version(), "[!-~]{1,64}", any::<bool>(), times, prop::sample::select(&STATES[..])).prop_map(
        |(version, entry_type, exportable, (entered, expires), state)| {
            let entry_type = entry_type.parse().unwrap();
            VersionInfo { version, entry_type, exportable, entered, expires, state }
        },
    )
}

fn versions() -> impl Strategy<Value = Option<Version>> {
    (0..=i32::MAX).prop_map(|number| Version::from_wire(number).unwrap())
}

fn read_back(outcome: &Outcome) -> Outcome {
    let body = encode_response(&Echo::default(), Some("r1"), outcome);
    // Towards stock peers nothing of it is said.
    let stock = encode_response(&Echo::default(), None, outcome);
    assert!(field_numbers(&stock).iter().all(|number| *number < 100));
    decode_response(&body, None).unwrap().outcome
}

proptest! {
    #[test]
    fn requests_come_back(Sent(sent) in requests()) {
        let (kind, name) = (sent.kind(), sent.name().cloned());
        let body = sent.encode(&dom0());
        prop_assert!(body.len() <= MAX_KEY_SERVICE_FRAME);
        let read = decode_request(Dialect::Ours, &dom0(), &body).request().unwrap();
        prop_assert_eq!((read.kind(), read.name().cloned()), (kind, name));
        // A request has one encoding, so everything in it came back if that did.
        prop_assert!(*read.encode(&dom0()) == *body);
    }

    #[test]
    fn answers_come_back(
        tag in names(),
        version in versions(),
        entered in 0..253_402_300_800_i64,
        exportable: bool,
        blob in prop::collection::vec(any::<u8>(), 1..200),
        request_id in prop::option::of("[a-z0-9-]{1,36}"),
    ) {
        let tag = tag.to_string();
        let entry_type = EntryType::binary_blob();
        let sent = Entry { tag: tag.clone(), entry_type, version, entered, exportable, blob: Secret::copy_from(&blob) };
        let body = encode_response(&Echo::default(), request_id.as_deref(), &Outcome::Retrieved(sent));
        let read = decode_response(&body, None).unwrap();
        prop_assert_eq!(read.request_id.as_deref(), request_id.as_deref());
        let Outcome::Retrieved(entry) = read.outcome else { panic!("retrieved") };
        prop_assert_eq!((entry.tag, entry.version, entry.entered), (tag, version, entered));
        prop_assert_eq!(entry.exportable, exportable);
        prop_assert!(entry.blob.expose() == blob);

        let stored = version.unwrap_or(Version::FIRST);
        let body = encode_response(&Echo::default(), Some("r1"), &Outcome::Stored(stored));
        let Outcome::Stored(read) = decode_response(&body, None).unwrap().outcome else { panic!("stored") };
        prop_assert_eq!(read, stored);
    }

    #[test]
    fn answers_without_secrets_come_back(
        infos in prop::collection::vec(infos(), 1..20),
        names in prop::collection::vec("[a-z/]{1,20}", 0..20),
        next in prop::option::of(some_version()),
        next_name in prop::option::of("[a-z/]{1,20}"),
    ) {
        let names = names.into_iter().zip(infos.iter().cycle().cloned());
        let names = names.map(|(name, latest)| NameInfo { name, latest }).collect();
        let sent = Listed { names, next: next_name };
        let Outcome::Listed(read) = read_back(&Outcome::Listed(sent.clone())) else { panic!("listed") };
        prop_assert_eq!(read, sent);
        let Outcome::Described(read) = read_back(&Outcome::Described(infos[0].clone())) else { panic!("one") };
        prop_assert_eq!(&read, &infos[0]);
        let changed: Vec<_> = infos.iter().map(|info| info.version).collect();
        let Outcome::Changed(read) = read_back(&Outcome::Changed(changed.clone())) else { panic!("changed") };
        prop_assert_eq!(read, changed);
        let sent = Outcome::Versions(infos.clone(), next);
        let Outcome::Versions(read, read_next) = read_back(&sent) else { panic!("versions") };
        prop_assert_eq!((read, read_next), (infos, next));
    }
}
