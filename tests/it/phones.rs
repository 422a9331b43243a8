//! Phone numbers of every country in national and international notation, compared with the example numbers of
//! libphonenumber.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::{TZ_VARIANTS, Tz};
use comanda::phone::{InvalidPhone, Phone, Region};
use phonenumber::metadata::{DATABASE, Metadata};
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::people::PASSWORD;

/// The zones of each country by the IANA database (`zone.tab`).
fn zones() -> BTreeMap<String, Vec<Tz>> {
    let mut zones: BTreeMap<String, Vec<Tz>> = BTreeMap::new();
    for line in include_str!("phones/zones.csv").lines().skip(1) {
        let (country, zone) = line.split_once(',').unwrap();
        if let Ok(zone) = zone.parse() {
            zones.entry(country.to_owned()).or_default().push(zone);
        }
    }
    zones
}

/// Zones that belong to another country's numbering plan, or to none.
const ELSEWHERE: [(&str, Option<&str>); 8] = [
    ("AQ", None),
    ("AX", Some("FI")),
    ("BL", Some("GP")),
    ("GS", None),
    ("MF", Some("GP")),
    ("PN", None),
    ("TF", None),
    ("UM", None),
];

#[test]
fn a_time_zone_is_in_the_country_that_iana_says() {
    let mut known = 0;
    for (country, zones) in zones() {
        let expected =
            ELSEWHERE.iter().find(|(code, _)| *code == country).map_or(Some(country.as_str()), |(_, to)| *to);
        for zone in zones {
            assert_eq!(Region::of_zone(zone).map(Region::code), expected, "{zone}");
            known += 1;
        }
    }
    assert!(known > 400, "{known}");
    for zone in TZ_VARIANTS.into_iter().filter(|zone| !zone.name().contains('/') || zone.name().starts_with("Etc/")) {
        let is_a_country = Region::of_zone(zone).is_some();
        let is_nowhere = zone.name().starts_with("Etc/") || zone.name().chars().all(|sign| !sign.is_ascii_lowercase());
        assert!(!(zone.name().starts_with("Etc/") && is_a_country), "{zone}");
        assert!(is_a_country || is_nowhere || ["Greenwich", "Universal", "Zulu"].contains(&zone.name()), "{zone}");
    }
    for (link, code) in [("Asia/Calcutta", "IN"), ("US/Pacific", "US"), ("Asia/Saigon", "VN"), ("Europe/Kiev", "UA")] {
        assert_eq!(Region::of_zone(link.parse().unwrap()).map(Region::code), Some(code));
    }
}

fn examples(plan: &Metadata) -> BTreeSet<String> {
    let kinds = plan.descriptors();
    let kinds = [kinds.fixed_line(), kinds.mobile(), kinds.toll_free(), kinds.voip(), kinds.uan(), kinds.shared_cost()];
    kinds.into_iter().flatten().filter_map(|kind| kind.example()).map(ToOwned::to_owned).collect()
}

/// The example numbers of libphonenumber: in E.164 they are unchanged, and in their country they are parsed with and
/// without the trunk prefix. Only of `+7 800 …` and `+370 800 …` the library drops a digit.
#[test]
fn the_example_numbers_of_every_country_are_read_as_what_they_are() {
    let (zones, mut known) = (zones(), 0);
    for plan in DATABASE.iter() {
        // Four digits after a country code have no valid length in E.164: an Iranian short number.
        for example in examples(plan).iter().filter(|example| example.len() > 4) {
            let e164 = format!("+{}{example}", plan.country_code());
            assert_eq!(Phone::parse(&e164).as_ref().map(Phone::as_str), Ok(e164.as_str()), "{}", plan.id());
            let Some(region) = zones.get(plan.id()).and_then(|zones| Region::of_zone(zones[0])) else { continue };
            let prefix = plan.national_prefix().unwrap_or_default();
            for written in [example.clone(), format!("{prefix}{example}"), format!("00{}", &e164[1..])] {
                let found = Phone::parse_in(&written, Some(region));
                assert_eq!(found.as_ref().map(Phone::as_str), Ok(e164.as_str()), "{written} in {region}");
            }
            known += 1;
        }
    }
    assert!(known > 800, "{known}");
}

#[test]
fn phone_numbers_are_parsed_in_their_national_format() {
    let good = [
        ("Europe/Berlin", "030 12345678", "+493012345678"),
        ("Europe/Berlin", "(030) 1234-5678", "+493012345678"),
        ("Europe/Berlin", "030/12345678", "+493012345678"),
        ("Europe/Vienna", "0664 / 123 45 67", "+436641234567"),
        ("Europe/Berlin", "0049 30 12345678", "+493012345678"),
        ("Europe/Berlin", "+39 051 1234567", "+390511234567"),
        ("Europe/Rome", "051 1234567", "+390511234567"),
        ("Europe/Rome", "333 123 4567", "+393331234567"),
        ("Europe/Paris", "01 42 68 53 00", "+33142685300"),
        ("Europe/London", "020 7946 0958", "+442079460958"),
        ("America/New_York", "(202) 555-0123", "+12025550123"),
        ("America/New_York", "1-202-555-0123", "+12025550123"),
        ("America/New_York", "011 44 20 7946 0958", "+442079460958"),
        ("Asia/Tokyo", "03-1234-5678", "+81312345678"),
        ("Asia/Tokyo", "０３－１２３４－５６７８", "+81312345678"),
        ("Europe/Moscow", "8 800 555 35 35", "+78005553535"),
        ("Europe/Moscow", "8 (495) 123-45-67", "+74951234567"),
        ("Asia/Gaza", "059 912 3456", "+970599123456"),
        ("Asia/Jerusalem", "052-312-3456", "+972523123456"),
        ("America/Argentina/Buenos_Aires", "011 15 2345-6789", "+5491123456789"),
        ("America/Mexico_City", "55 1234 5678", "+525512345678"),
        ("Asia/Kolkata", "098765 43210", "+919876543210"),
        ("UTC", "+39 051 1234567", "+390511234567"),
        ("UTC", "0039 051 1234567", "+390511234567"),
    ];
    for (zone, written, kept) in good {
        let found = Phone::parse_in(written, Region::of_zone(zone.parse().unwrap()));
        assert_eq!(found.as_ref().map(Phone::as_str), Ok(kept), "{written} in {zone}");
    }
    let (rome, usa) = (Region::of_zone(Tz::Europe__Rome), Region::of_zone(Tz::America__New_York));
    let bad = [
        (None, "030 12345678", InvalidPhone::NoCountry),
        (None, "112", InvalidPhone::NoCountry),
        (rome, "112", InvalidPhone::Elsewhere(rome.unwrap())),
        (usa, "911", InvalidPhone::Elsewhere(usa.unwrap())),
        (usa, "555-0123", InvalidPhone::Elsewhere(usa.unwrap())),
        // The length of a number, but an area code that does not exist.
        (usa, "(199) 555-0123", InvalidPhone::Elsewhere(usa.unwrap())),
        (None, "+1 199 555 0123", InvalidPhone::Unknown),
        (None, "+39 112", InvalidPhone::Unknown),
        (None, "+999 12345678", InvalidPhone::Unknown),
        (None, "00", InvalidPhone::Unknown),
        // Two numbers, or two alternative last digits: joined, they would be another number.
        (None, "+43 664 1234567 / 8", InvalidPhone::Signs),
        (None, "+43 664 1234567/68", InvalidPhone::Signs),
        (rome, "051 123456 / 051 123457 / 8", InvalidPhone::Signs),
        (usa, "1-800-FLOWERS", InvalidPhone::Signs),
        (None, "+1 800 FLOWERS", InvalidPhone::Signs),
        (usa, "(202) 555-0123 ext. 7", InvalidPhone::Signs),
        (usa, "(202) 555-0123 x7", InvalidPhone::Signs),
        (usa, "(202) 555-0123#7", InvalidPhone::Signs),
        (usa, "(202) 555-0123, (202) 555-0124", InvalidPhone::Signs),
        (usa, "tel:+12025550123", InvalidPhone::Signs),
        (usa, "+1 202 555 0123 +1 202 555 0124", InvalidPhone::Signs),
        (rome, "", InvalidPhone::Elsewhere(rome.unwrap())),
    ];
    for (region, written, why) in bad {
        assert_eq!(Phone::parse_in(written, region), Err(why), "{written}");
    }
}

/// A restaurant's number is parsed for its country; a user's number must have a country code.
#[tokio::test]
async fn a_restaurant_writes_its_number_in_national_format() {
    let app = TestApp::start().await;
    let berlin = app
        .restaurant("Berlin")
        .with("timezone", json!("Europe/Berlin"))
        .with("contact", json!({ "phone": "030 12345678" }));
    let berlin = berlin.opens().await;
    assert_eq!(berlin.body["contact"]["phone"], "+493012345678");
    let path = berlin.path("");
    let numbers = async |body: Value| berlin.owner.patch(&path, &body).await;
    let moved = numbers(json!({ "timezone": "Europe/Rome", "contact": { "phone": "051 1234567" } })).await.expect(200);
    assert_eq!(moved["contact"]["phone"], "+390511234567");
    // A new address alone does not change the number.
    let moved = numbers(json!({ "timezone": "Asia/Tokyo" })).await.expect(200);
    assert_eq!(moved["contact"]["phone"], "+390511234567");
    for (body, says) in [
        (json!({ "contact": { "phone": "051 1234567" } }), "must be a phone number of JP"),
        (
            json!({ "timezone": "UTC", "contact": { "phone": "03-1234-5678" } }),
            "must begin with + and the country code",
        ),
        (json!({ "contact": { "phone": "03-1234-5678 ext 5" } }), "without letters or an extension"),
    ] {
        let refusal = numbers(body).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["pointer"], "/contact/phone");
        assert!(refusal["errors"][0]["message"].as_str().unwrap().contains(says), "{refusal}");
    }
    let ada = app.customer("Ada").await;
    let refusal = ada.patch("/api/me", &json!({ "phone": "030 12345678", "currentPassword": PASSWORD })).await;
    let refusal = refusal.refused(422, "invalid_request");
    assert!(refusal["errors"][0]["message"].as_str().unwrap().contains("must begin with +"), "{refusal}");
    let set =
        ada.patch("/api/me", &json!({ "phone": "0049 30 12345678", "currentPassword": PASSWORD })).await.expect(200);
    assert_eq!(set["phone"], "+493012345678");
}

#[test]
fn phone_numbers_are_parsed_in_common_formats_and_stored_as_e164() {
    let good = [
        ("+390511234567", "+390511234567"),
        ("+39 051 1234567", "+390511234567"),
        (" +39-051-123-4567 ", "+390511234567"),
        ("+49 (0)30 12345678", "+493012345678"),
        ("+4903012345678", "+493012345678"),
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("+44 20 7946 0958", "+442079460958"),
        ("+1 202-555-0123", "+12025550123"),
        ("+33 (0)1.42.68.53.00", "+33142685300"),
        // As copied from a phone, with direction marks, other spaces and hyphens; full width; digits of other
        // scripts.
        ("\u{202a}+39 333 123 4567\u{202c}", "+393331234567"),
        ("+39\u{a0}051\u{2011}1234567", "+390511234567"),
        ("＋３９　０５１　１２３４５６７", "+390511234567"),
        ("+٣٩ ٠٥١ ١٢٣٤٥٦٧", "+390511234567"),
    ];
    for (written, kept) in good {
        assert_eq!(Phone::parse(written).as_ref().map(Phone::as_str), Ok(kept), "{written}");
        assert_eq!(Phone::parse(kept).as_ref().map(Phone::as_str), Ok(kept), "{kept} is itself");
    }
    let long = format!("+39{}", " ".repeat(60));
    let bad = [
        "",
        "+",
        "12",
        "0511234567",
        "+0511234567",
        "+39",
        "+999123456789",
        "+1234567890123456",
        "+49 30 ABCDEF",
        "+390511234567;ext=3",
        "tel:+390511234567",
        "+39051123456\u{0}",
        long.as_str(),
    ];
    for written in bad {
        assert!(Phone::parse(written).is_err(), "{written}");
    }
}
