//! Ids on the wire are TypeIDs.

use comanda::ids::{DeliveryId, OrderId, UserId};
use proptest::prelude::*;
use uuid::Uuid;

/// The vectors of the TypeID specification 0.3 (`spec/valid.yml`).
const VECTORS: &[(&str, &str)] = &[
    ("00000000-0000-0000-0000-000000000000", "00000000000000000000000000"),
    ("00000000-0000-0000-0000-000000000001", "00000000000000000000000001"),
    ("00000000-0000-0000-0000-00000000000a", "0000000000000000000000000a"),
    ("00000000-0000-0000-0000-000000000010", "0000000000000000000000000g"),
    ("00000000-0000-0000-0000-000000000020", "00000000000000000000000010"),
    ("ffffffff-ffff-ffff-ffff-ffffffffffff", "7zzzzzzzzzzzzzzzzzzzzzzzzz"),
    ("0110c853-1d09-52d8-d73e-1194e95b5f19", "0123456789abcdefghjkmnpqrs"),
    ("01890a5d-ac96-774b-bcce-b302099a8057", "01h455vb4pex5vsknk084sn02q"),
];

#[test]
fn the_vectors_of_the_specification_hold() {
    for (uuid, suffix) in VECTORS {
        let text = format!("ord_{suffix}");
        let id: OrderId = text.parse().unwrap();
        assert_eq!(id.uuid(), uuid.parse::<Uuid>().unwrap(), "{suffix}");
        assert_eq!(id.to_string(), text);
    }
}

#[test]
fn ids_of_another_kind_are_refused() {
    let bad = [
        "",
        "ord",
        "ord_",
        "_00000000000000000000000000",
        "00000000000000000000000000",
        "usr_00000000000000000000000000",
        "ORD_00000000000000000000000000",
        "ord_8zzzzzzzzzzzzzzzzzzzzzzzzz",
        "ord_zzzzzzzzzzzzzzzzzzzzzzzzzz",
        "ord_0000000000000000000000000",
        "ord_000000000000000000000000000",
        "ord_0123456789ABCDEFGHJKMNPQRS",
        "ord_0000000000000000000000000i",
        "ord_0000000000000000000000000l",
        "ord_0000000000000000000000000o",
        "ord_0000000000000000000000000u",
        "ord_0000000000000-000000000000",
        "ord_ 0000000000000000000000000",
        "ord__0000000000000000000000000",
        "ord_000000000000000000000000é",
        "ord-00000000000000000000000000",
        "01890a5d-ac96-774b-bcce-b302099a8057",
    ];
    for text in bad {
        assert!(text.parse::<OrderId>().is_err(), "{text:?}");
        assert!(serde_json::from_value::<OrderId>(text.into()).is_err(), "{text:?}");
    }
}

#[test]
fn later_ids_sort_after_earlier_ones() {
    let ids: Vec<_> = (0..1_000).map(|_| DeliveryId::new()).collect();
    let texts: Vec<_> = ids.iter().map(ToString::to_string).collect();
    assert!(ids.is_sorted() && texts.is_sorted());
}

/// Crockford's base32 implemented in another way: the bits as text, split into groups of five.
fn suffix_of(uuid: Uuid) -> String {
    let bits = format!("00{:0128b}", uuid.as_u128());
    let letters = "0123456789abcdefghjkmnpqrstvwxyz".as_bytes();
    let five = |five: &[u8]| usize::from_str_radix(std::str::from_utf8(five).unwrap(), 2).unwrap();
    bits.as_bytes().chunks(5).map(|bits| char::from(letters[five(bits)])).collect()
}

proptest! {
    #[test]
    fn every_uuid_survives_the_way_there_and_back(bits: u128) {
        let uuid = Uuid::from_u128(bits);
        let text = format!("usr_{}", suffix_of(uuid));
        let id: UserId = text.parse().unwrap();
        prop_assert_eq!(id.uuid(), uuid);
        prop_assert_eq!(id.to_string(), &text[..]);
        let json = serde_json::to_string(&id).unwrap();
        prop_assert_eq!(serde_json::from_str::<UserId>(&json).unwrap(), id);
    }

    #[test]
    fn an_accepted_id_is_written_as_it_was_read(text in "(usr_)?[0-9a-zA-Z_]{0,28}") {
        if let Ok(id) = text.parse::<UserId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }
}
