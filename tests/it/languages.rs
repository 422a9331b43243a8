//! Languages by BCP 47: the form in which tags are stored, and the translation that is nearest to a request.

use comanda::languages::{accept_language, canonical, choose};
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::TestApp;

#[test]
fn tags_are_kept_in_one_spelling() {
    for (written, kept) in [
        ("it", Some("it")),
        ("PT-br", Some("pt-br")),
        ("pt_BR", Some("pt-br")),
        ("zh-Hant-TW", Some("zh-hant-tw")),
        ("ZH_hant", Some("zh-hant")),
        ("iw", Some("he")),
        ("fil", Some("fil")),
        (" en-GB ", Some("en-gb")),
        ("Italian", None),
        ("x", None),
        ("", None),
        ("und", None),
        ("en-", None),
        ("it it", None),
        ("pt-toolongsubtag", None),
        // Extended language subtags, where they are registered and where they are not.
        ("zh-cmn-Hant", Some("zh-hant")),
        ("zh-cmn-Hans-CN", Some("zh-hans-cn")),
        ("zh_cmn_TW", Some("zh-tw")),
        ("zh-yue-HK", Some("yue-hk")),
        ("zh-gan", Some("gan")),
        ("zh-min-nan", Some("nan")),
        ("ar-arb", Some("ar")),
        ("ar-ary-MA", Some("ary-ma")),
        ("ms-zsm", Some("ms")),
        ("sgn-ase", Some("ase")),
        ("en-usa", None),
        ("de-deu", None),
        // Every tag that RFC 5646 grandfathers and that names a language.
        ("en-GB-oed", Some("en-gb-oxendict")),
        ("i-ami", Some("ami")),
        ("i-bnn", Some("bnn")),
        ("i-hak", Some("hak")),
        ("i-klingon", Some("tlh")),
        ("I-LUX", Some("lb")),
        ("i-navajo", Some("nv")),
        ("i-pwn", Some("pwn")),
        ("i-tao", Some("tao")),
        ("i-tay", Some("tay")),
        ("i-tsu", Some("tsu")),
        ("sgn-BE-FR", Some("sfb")),
        ("sgn-BE-NL", Some("vgt")),
        ("sgn-CH-DE", Some("sgg")),
        ("art-lojban", Some("jbo")),
        ("cel-gaulish", Some("xtg")),
        ("no-bok", Some("nb")),
        ("no-nyn", Some("nn")),
        ("zh-guoyu", Some("zh")),
        ("zh-hakka", Some("hak")),
        ("zh-min", Some("nan")),
        ("zh-xiang", Some("hsn")),
        ("i-default", None),
        ("i-enochian", None),
        ("i-mingo", None),
        // Extensions and private parts do not describe the text.
        ("de-DE-u-co-phonebk", Some("de-de")),
        ("en-US-u-ca-gregory-nu-latn-hc-h12-x-of-a-reader", Some("en-us")),
        ("ar-EG-u-nu-latn", Some("ar-eg")),
        ("en-x-private", Some("en")),
        ("x-private", None),
    ] {
        assert_eq!(canonical(written).as_deref(), kept, "{written:?}");
    }
}

#[test]
fn the_nearest_translation_is_shown() {
    // Requested languages, the menu's own language, its translations, and the shown one: `own` is the menu as
    // written.
    for (asked, own, offered, shown) in [
        ("pt-PT,pt;q=0.9,en;q=0.8", "pt-br", "en", "own"),
        ("pt-PT", "en", "pt-br es", "pt-br"),
        ("pt-BR", "en", "pt-pt pt-br", "pt-br"),
        ("zh-TW", "en", "zh-hant", "zh-hant"),
        ("zh-TW", "en", "zh zh-hant", "zh-hant"),
        ("zh-HK", "en", "zh-hans zh-hant", "zh-hant"),
        ("zh-CN", "en", "zh-hant zh-hans", "zh-hans"),
        ("zh", "en", "zh-hant zh-hans", "zh-hans"),
        ("zh-Hant", "en", "zh-tw", "zh-tw"),
        ("zh-TW,en;q=0.5", "fr", "en zh-hans", "zh-hans"),
        ("en-AU", "it", "en-us en-gb", "en-gb"),
        ("en-GB", "it", "en", "en"),
        ("en", "it", "en-gb", "en-gb"),
        ("fr, en-GB;q=0.8, de;q=0.3", "it", "de en", "en"),
        ("de-CH-1996", "it", "de-ch de", "de-ch"),
        ("it-CH", "it", "en", "own"),
        ("sr-Latn", "en", "sr sr-latn", "sr-latn"),
        ("iw", "en", "he", "he"),
        ("nl,*;q=0.1", "it", "en", "own"),
        ("ja", "it", "en", "own"),
        ("PT_pt", "en", "pt-br", "pt-br"),
        ("en;q=0, fr", "it", "en fr", "fr"),
        ("", "it", "en", "own"),
        ("no", "en", "nb", "nb"),
        ("nb", "en", "no", "no"),
        ("nn", "en", "nb da", "nb"),
        ("nn", "en", "no", "no"),
        ("no,en", "en", "nn", "nn"),
        ("nb-NO", "en", "nn sv", "nn"),
        ("es-419", "en", "es", "es"),
        ("es-MX", "en", "es-419 es", "es-419"),
        ("es-AR", "en", "es-es es-mx", "es-mx"),
        ("en-GB", "it", "en-us", "en-us"),
        ("en-GB", "en-us", "it", "own"),
        ("en-AU", "it", "en-us en-gb", "en-gb"),
        ("sr-Latn", "en", "sr", "sr"),
        ("sr-Cyrl-RS", "en", "sr-latn sr", "sr"),
        ("zh-HK", "en", "zh-tw zh-cn", "zh-tw"),
        ("zh-SG", "en", "zh-tw zh-cn", "zh-cn"),
        ("yue", "en", "zh-hk zh-cn", "zh-hk"),
        ("yue", "en", "zh-tw zh-hk", "zh-hk"),
        ("zh-MO", "en", "zh-tw zh-hk zh-cn", "zh-hk"),
        ("zh-Hant-MO", "en", "zh-tw zh-hk", "zh-hk"),
        ("zh-MO", "en", "zh-tw zh-cn", "zh-tw"),
        ("zh-MO", "en", "zh-hant zh-hk", "zh-hk"),
        ("zh-HK", "en", "zh-tw zh-mo", "zh-mo"),
        ("zh-MY", "en", "zh-tw zh-cn", "zh-cn"),
        ("cmn", "en", "zh", "zh"),
        ("in", "en", "id", "id"),
        ("tl", "en", "fil", "fil"),
        ("mo", "en", "ro", "ro"),
        ("sh", "en", "sr-latn", "sr-latn"),
        ("hr", "en", "sr bs", "bs"),
        ("ca-valencia", "en", "ca", "ca"),
        ("de-AT-1996", "en", "de-de", "de-de"),
        ("gsw", "en", "de", "de"),
        ("*", "it", "en", "own"),
        // A refused language is shown only if all are refused.
        ("de;q=0", "de", "en", "en"),
        ("de;q=0.000", "de-at", "en", "en"),
        ("fr, de;q=0", "de", "en", "en"),
        ("fr, de;q=0", "en", "de", "own"),
        ("de;q=0, de-CH", "de", "en de-ch", "de-ch"),
        ("pt-PT, pt;q=0", "en", "pt-br", "own"),
        ("en-US;q=0", "en", "de", "own"),
        ("zh-Hant;q=0, zh", "en", "zh-tw zh-cn", "zh-cn"),
        ("en, *;q=0", "it", "fr en-gb", "en-gb"),
        ("en;q=0", "it", "en", "own"),
        ("*;q=0", "de", "en", "own"),
        ("en;q=0,de;q=0", "de", "en", "own"),
        ("de;q=0,*", "de", "en fr", "en"),
        ("*, it;q=0.5", "it", "en", "en"),
        ("*;q=0.5, it", "it", "en", "own"),
        ("fr;q=0.5;x=1, en;q=0.9", "it", "fr en", "en"),
        ("EN-us ; q=1", "it", "en-gb", "en-gb"),
        ("de;Q=0.1, fr;Q=0.5", "it", "de fr", "fr"),
        ("en-GB-oed", "it", "en", "en"),
        ("en-GB-oed", "it", "en-us en-gb", "en-gb"),
        ("zh-cmn-Hant", "en", "zh-hant", "zh-hant"),
        ("zh-cmn-Hant-HK", "en", "zh-hans zh-tw", "zh-tw"),
        ("zh-cmn", "en", "zh-tw zh-cn", "zh-cn"),
        ("zh-yue", "en", "zh-hk zh-cn", "zh-hk"),
        ("uz-AF", "it", "uz-cyrl uz-latn", "uz-latn"),
        ("az-IR", "it", "az-cyrl az-latn", "az-latn"),
        ("mn-CN", "it", "mn-latn mn-cyrl", "mn-cyrl"),
        ("sr-Arab", "it", "sr-latn sr-cyrl", "sr-cyrl"),
        ("pa-PK", "it", "pa-guru pa-arab", "pa-arab"),
        ("i-lux", "en", "lb de", "lb"),
        ("i-lux", "en", "de", "de"),
        ("no-nyn", "en", "nb", "nb"),
        ("ar-arb-EG", "en", "ar", "ar"),
        ("ms-zsm", "en", "ms", "ms"),
        ("de-DE-u-co-phonebk,en;q=0.5", "it", "en de", "de"),
    ] {
        let offered: Vec<_> = offered.split(' ').map(ToOwned::to_owned).collect();
        let found = choose(&accept_language(asked), Some(own), &offered).unwrap_or("own");
        assert_eq!(found, shown, "{asked} of {own}, {offered:?}");
    }
}

/// For every spelling of tags, in a document, in a patch, in a header and in the query.
#[tokio::test]
async fn a_menu_is_read_in_every_spelling_of_its_languages() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells("Polpo", 900).opens().await;
    let item = luigi.path(&format!("/items/{}", luigi.any_dish().id));
    let texts = json!({ "pt_BR": { "name": "Polvo" }, "ZH-Hant": { "name": "章魚" } });
    let shown = luigi.owner.patch(&item, &json!({ "translations": texts })).await.expect(200);
    assert_eq!(shown["translations"], json!({ "pt-br": { "name": "Polvo" }, "zh-hant": { "name": "章魚" } }));
    let guest = app.stranger();
    let name = async |query: &str, header: &str| -> Value {
        let request =
            guest.request(Method::GET, &luigi.path(&format!("/menu{query}"))).header("accept-language", header);
        guest.send(request).await.expect(200)["categories"][0]["items"][0]["name"].clone()
    };
    for (query, header, found) in [
        ("", "pt-PT,pt;q=0.9,en;q=0.8", "Polvo"),
        ("?lang=PT_br", "", "Polvo"),
        ("?lang=pt", "zh", "Polvo"),
        ("", "zh-TW", "章魚"),
        ("", "de", "Polpo"),
    ] {
        assert_eq!(name(query, header).await, found, "{query} {header}");
    }
    // Content-Language and Vary are there with 304 too; an unknown language of the menu has no Content-Language.
    let language = async |header: &str, held: &str| {
        let request = guest.request(Method::GET, &luigi.path("/menu")).header("accept-language", header);
        let reply = guest.send(request.header("if-none-match", held)).await;
        assert_eq!(reply.header("vary"), "accept-encoding, accept-language");
        (reply.status, reply.header("content-language").to_owned(), reply.header("etag").to_owned())
    };
    let (status, shown, tag) = language("pt", "").await;
    assert_eq!((status, shown.as_str()), (200, "pt-br"));
    assert_eq!(language("pt", &tag).await, (304, "pt-br".to_owned(), tag));
    assert_eq!(language("de", "").await.1, "");
    guest.get(&luigi.path("/menu?lang=portuguese")).await.refused(422, "invalid_request");
    let twice = json!({ "pt-BR": { "name": "a" }, "pt_br": { "name": "b" } });
    luigi.owner.patch(&item, &json!({ "translations": twice })).await.refused(422, "invalid_request");
    let none = json!({ "portuguese": { "name": "a" } });
    let refusal = luigi.owner.patch(&item, &json!({ "translations": none })).await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"][0]["pointer"], "/translations/portuguese");
    let mut menu = luigi.owner.get(&luigi.path("/menu/document")).await.expect(200);
    menu["language"] = json!("IT_it");
    luigi.owner.put(&luigi.path("/menu"), &menu).await.expect(200);
    assert_eq!(luigi.owner.get(&luigi.path("/menu/document")).await.expect(200)["language"], "it-it");
    assert_eq!(name("", "it,pt;q=0.5").await, "Polpo");
    assert_eq!(language("de", "").await.1, "it-it");
    assert_eq!(name("", "it;q=0").await, "Polvo");
    assert_eq!(name("?lang=it", "it;q=0").await, "Polpo");
    assert_eq!(name("?lang=it-CH", "it;q=0").await, "Polpo");
    let lines = luigi.path("/menu");
    let lines = guest.request(Method::GET, &lines).header("accept-language", "fr").header("accept-language", "pt");
    assert_eq!(guest.send(lines).await.header("content-language"), "pt-br");
}
