//! Search words: every name is found as it is written, in either case, without accents, and by each of its words; in
//! scripts without spaces by any part of it.

use chrono::TimeDelta;
use comanda::fold::{Part, fold, query_words, slug, words_of};
use comanda::text::SingleLine;
use proptest::prelude::*;
use serde_json::json;

use crate::app::TestApp;

/// The comparison that the database makes: each query word is the beginning of a search word.
fn is_found(name: &str, question: &str) -> bool {
    let words = words_of([name]);
    let query_words = query_words(question);
    !query_words.is_empty()
        && query_words.iter().all(|query_word| words.iter().any(|word| word.starts_with(query_word)))
}

#[test]
fn names_are_found_as_people_type_them() {
    let found = [
        ("Dr.Pepper", "pepper"),
        ("Dr.Pepper", "Dr.Pepper"),
        ("Dr.Pepper", "dr pep"),
        ("Pizza/Pasta plate", "pasta"),
        ("Pizza/Pasta plate", "Pizza/Pasta plate"),
        ("Pizza 3.5", "Pizza 3.5"),
        ("Pizza 3.5", "3.5"),
        ("ピザ", "ピザ"),
        ("マルゲリータピザ", "ピザ"),
        ("ข้าวผัด", "ข้าวผัด"),
        ("ข้าวผัดกุ้ง", "ผัด"),
        ("मक्खन", "मक्खन"),
        ("पनीर मक्खन मसाला", "मक्खन"),
        ("麻婆豆腐", "豆腐"),
        ("김치찌개", "찌개"),
        ("ΜΟΥΣΑΚΑΣ", "μουσακας"),
        ("Μουσακάς", "ΜΟΥΣΑΚΑΣ"),
        ("Łosoś", "losos"),
        ("Smørrebrød", "smorrebrod"),
        ("Straße", "STRASSE"),
        ("Lahmacun ısırık", "isirik"),
        ("Đà Nẵng", "da nang"),
        ("Crème brûlée", "creme brulee"),
        ("Œufs à la coque", "oeufs"),
        ("Þorskur", "thorskur"),
        ("dell'Oca", "oca"),
        // Arabic and Hebrew without points, with and without tatweel, on either keyboard; digits of every script.
        ("مُحَمَّد كَبَاب", "محمد كباب"),
        ("كبــاب", "كباب"),
        ("کباب", "كباب"),
        ("سلطة", "سلطه"),
        ("إسكندر", "اسكندر"),
        ("٣ كباب", "3 كباب"),
        ("۳ پیتزا", "3"),
        ("शाही ५", "5"),
        ("שָׁלוֹם", "שלום"),
        ("הצ׳יפס", "הצ'יפס"),
        ("הצ׳יפס", "הציפס"),
        // Turkish, German, Danish; ligatures, full and half width, hiragana and katakana.
        ("İSKENDER", "iskender"),
        ("KIZARTMA", "kızartma"),
        ("WEIẞWURST", "weißwurst"),
        ("Käsespätzle", "kaesespaetzle"),
        ("Käsespätzle", "kasespatzle"),
        ("Smørrebrød", "smoerrebroed"),
        ("ﬁsh ﬂavoured", "fish flavoured"),
        ("Ｐｉｚｚａ　１２", "pizza 12"),
        ("ﾗｰﾒﾝ", "ラーメン"),
        ("らーめん", "ラーメン"),
        ("Phở bò", "PHO BO"),
        // With or without the apostrophe or hyphen, whichever it is.
        ("O’Brien", "obrien"),
        ("O’Brien", "o'brien"),
        ("Ben & Jerry’s", "ben jerrys"),
        ("Coca‑Cola", "cocacola"),
        ("Coca-Cola", "coca cola"),
        ("7-Up", "7up"),
        ("Hawaiʻi", "hawaii"),
        ("Hawaiʻi", "Hawai'i"),
        ("Fish & Chips", "fish chips"),
        ("🍕", "🍕"),
        ("!!!", "!!!"),
        // Numbers, however they are separated from words, and with any abbreviation of "number".
        ("7UP", "7 up"),
        ("7 Up", "7UP"),
        ("7-Up", "7 up"),
        ("H2O still", "h 2 o"),
        ("Menu 1", "menu1"),
        ("Menu1", "menu 1"),
        ("Menu 1", "№1"),
        ("Menu 1", "№ 1"),
        ("Menu №1", "menu 1"),
        ("Menu №1", "№1"),
        ("Menü Nr. 1", "menu 1"),
        ("Menü Nr. 1", "№1"),
        ("Menü Nr. 1", "nr1"),
        ("Menü Nr. 1", "menü no. 1"),
        ("Menü Nr. 1", "#1"),
        ("Menú n.º 1", "menu n° 1"),
        ("No 7 Bar", "nr. 7"),
        ("٧ أب", "7أب"),
        // Incomplete Hangul, letter by letter or as an input method shows it.
        ("피자", "ㅍㅣ"),
        ("피자", "ㅍ"),
        ("피자", "피"),
        ("피자", "핒"),
        ("피자", "피ㅈ"),
        ("고구마 피자", "핒"),
        ("과자", "고"),
        ("과자", "괒"),
        ("닭갈비", "달"),
        ("닭갈비", "닭가"),
        ("김치찌개", "찍"),
        ("불고기", "ㅂㅜㄹㄱ"),
        ("ﾊﾟｽﾀ", "ぱすた"),
        ("ﾋﾟｻﾞ", "ピザ"),
        ("ﾡﾢ", "ㄱㄲ"),
        // Thai without tone marks or with two e for one ae, the dot below letters of India.
        ("ก๋วยเตี๋ยว", "กวยเตียว"),
        ("ต้มยำกุ้ง", "ตมยำกุง"),
        ("แกงเขียวหวาน", "เเกง"),
        ("ไก่", "ไก"),
        ("पिज़्ज़ा", "पिज्जा"),
        ("पिज्जा", "पिज़्ज़ा"),
        ("साँभर", "सांभर"),
        // Alef and its marks, Urdu's letters, Hebrew letters at the end of words, Cyrillic yo.
        ("أرز", "ارز"),
        ("ارز", "أرز"),
        ("آيس كريم", "ايس كريم"),
        ("ٱلسلام", "السلام"),
        ("نہاری", "نهاري"),
        ("לחמניה", "לחם"),
        ("Ёлки", "елки"),
        ("елки", "ЁЛКИ"),
        ("Ґанок", "ганок"),
        // Umlauts for two letters and two letters for umlauts.
        ("Koelsch", "Kölsch"),
        ("Kaesespaetzle", "Käsespätzle"),
        ("Aarhus", "Århus"),
        ("Groß", "gross"),
        ("Gross", "groß"),
    ];
    for (name, question) in found {
        assert!(
            is_found(name, question),
            "{name:?} by {question:?}: {:?} {:?}",
            words_of([name]),
            query_words(question)
        );
    }
    for (name, question) in [
        ("Dr.Pepper", "epper"),
        ("Pizza", "pasta"),
        ("Pizza 3.5", "pizza 4"),
        ("豆腐", "麻婆"),
        ("피자", "파"),
        ("김치", "치킨"),
        ("Menu 1", "№2"),
        ("7UP", "8 up"),
    ] {
        assert!(!is_found(name, question), "{name:?} by {question:?}");
    }
}

#[test]
fn parts_of_texts_are_found_whatever_their_case_and_accents() {
    for (text, part) in [
        ("No onions, please", "NO ONIONS"),
        ("Éloïse Łukasiewicz", "eloise luk"),
        ("no_onions", "no onions"),
        ("100%", "0%"),
        ("ข้าวผัด", "ผัด"),
    ] {
        assert!(Part::of(part).is_in(text), "{text} has {part}");
    }
    assert!(!Part::of("%").is_in("100"));
    assert!(!Part::of("noXonions").is_in("no onions"));
}

#[test]
fn slugs_are_spelled_in_plain_letters() {
    for (name, expected) in [
        ("Crêperie Éloïse", "creperie-eloise"),
        ("Trattoria dell'Oca!", "trattoria-dell-oca"),
        ("Smørrebrød & Øl", "smorrebrod-ol"),
        ("Łosoś", "losos"),
        ("Straße 7", "strasse-7"),
        ("Μουσακάς", "mousakas"),
        ("Борщ", "borshch"),
        ("  --  ", ""),
    ] {
        assert_eq!(slug(name), expected, "{name}");
    }
    assert!(slug("四川飯店").starts_with("si"), "{}", slug("四川飯店"));
    assert!(slug(&"é".repeat(200)).len() <= 80);
}

/// Whether the API accepts it as a name.
fn is_name(text: &str) -> bool {
    serde_json::from_value::<SingleLine<120>>(json!(text)).is_ok()
}

/// Names in the letters of many scripts, with signs and marks between them.
fn name() -> impl Strategy<Value = String> {
    let letters = "[a-zA-ZàéîõüłøßıđæœþŞğİΑ-Ωα-ωάςа-яЁñçกขคผัดข้าว豆腐麻婆ピザラーメンがमक्खनपनीर김치עבריתعربي0-9]";
    proptest::string::string_regex(&format!("({letters}{{1,9}}[ ./,'&-]{{0,2}}){{1,6}}")).unwrap()
}

/// A name of one character, of all that the API accepts; only some of the large Chinese and Korean blocks.
#[test]
fn a_search_for_any_character_finds_it() {
    let blocks = ['\0'..='\u{3500}', '\u{9f00}'..='\u{ad00}', '\u{f900}'..='\u{ffff}', '\u{1d000}'..='\u{1fbff}'];
    let lost = blocks.into_iter().flatten().filter(|letter| {
        let name = letter.to_string();
        is_name(&name) && !is_found(&name, &name)
    });
    let lost: Vec<String> = lost.map(|letter| letter.escape_unicode().to_string()).collect();
    assert!(lost.is_empty(), "{} are not found: {:?}", lost.len(), &lost[..lost.len().min(40)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_search_for_any_name_finds_it(name in name().prop_filter("a name shows something", |name| is_name(name))) {
        prop_assert!(is_found(&name, &name), "{:?} {:?}", words_of([name.as_str()]), query_words(&name));
        for other in [name.to_lowercase(), name.to_uppercase(), fold(&name)] {
            prop_assert!(is_found(&name, &other), "by {other:?}: {:?} {:?}", words_of([name.as_str()]), query_words(&other));
        }
        for word in name.split([' ', '.', '/', ',', '\'', '&', '-']).filter(|word| !word.is_empty()) {
            // A mark alone is not a word.
            if is_name(word) {
                prop_assert!(is_found(&name, word), "by its word {word:?}");
            }
        }
        prop_assert_eq!(fold(&fold(&name)), fold(&name));
    }

    #[test]
    fn words_of_scripts_without_spaces_are_found_inside_texts(name in "[豆腐麻婆ピザラーメンかな]{2,12}", from in 0_usize..6, length in 1_usize..6) {
        let part: String = name.chars().skip(from).take(length).collect();
        prop_assume!(!fold(&part).is_empty());
        prop_assert!(is_found(&name, &part), "{part:?} in {:?}", words_of([name.as_str()]));
    }

    #[test]
    fn arbitrary_texts_can_be_searched(text in "\\PC{0,60}") {
        for question in [query_words(&text), words_of([text.as_str()])] {
            prop_assert!(question.iter().all(|word| !word.is_empty() && word.chars().count() <= 40));
        }
        let _ = slug(&text);
    }
}

/// As it is written in a query string.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |encoded, byte| format!("{encoded}%{byte:02X}"))
}

/// The database compares stored search words, for restaurants, items and orders.
#[tokio::test]
async fn restaurants_items_and_orders_are_found_by_the_same_rules() {
    let app = TestApp::start().await;
    let mut shop =
        app.restaurant("Crêperie Éloïse").with("cuisines", json!(["Ελληνική"])).with("slug", json!("creperie-eloise"));
    let dishes =
        ["Dr.Pepper", "Pizza/Pasta plate", "Pizza 3.5", "ピザ", "ข้าวผัด", "मक्खन", "ΜΟΥΣΑΚΑΣ", "Łosoś", "O'Neill \\ 'x'"];
    for dish in dishes {
        shop = shop.sells(dish, 500);
    }
    let shop = shop.opens().await;
    let finds = async |question: &str| {
        let page = app.stranger().get(&format!("/api/restaurants?q={}", encoded(question))).await.expect(200);
        page["data"].as_array().unwrap().len()
    };
    for question in
        dishes.into_iter().chain(["creperie eloise", "CRÊPERIE", "ελληνικη", "pepper", "pasta", "ผัด", "losos"])
    {
        assert_eq!(finds(question).await, 1, "{question}");
    }
    assert_eq!(finds("nowhere").await, 0);
    // Items of a replaced menu, and a renamed item, are found by their new names.
    let item = &shop.dishes[0].id;
    shop.owner.patch(&shop.path(&format!("/items/{item}")), &json!({ "name": "Żurek" })).await.expect(200);
    assert_eq!((finds("zurek").await, finds("pepper").await), (1, 0));
    // In any of its languages.
    let texts = json!({ "en": { "name": "Sour rye soup" }, "ar": { "name": "حساء" } });
    shop.owner.patch(&shop.path(&format!("/items/{item}")), &json!({ "translations": texts })).await.expect(200);
    assert_eq!((finds("rye soup").await, finds("حساء").await, finds("zurek").await), (1, 1, 1));
    let mut menu = shop.owner.get(&shop.path("/menu/document")).await.expect(200);
    menu["categories"][0]["items"][0]["name"] = json!("Käsespätzle");
    shop.owner.put(&shop.path("/menu"), &menu).await.expect(200);
    assert_eq!((finds("kasespatzle").await, finds("zurek").await, finds("rye").await), (1, 0, 1));

    let zoe = app.customer("Zoë Łukasiewicz").await;
    let cart = zoe.puts_in_cart(&shop, &[(&shop.dishes[1], 1)]).await;
    zoe.orders_cart(&cart, &json!({ "note": "Crème fraîche à côté" })).await.expect(201);
    app.advance_clock(TimeDelta::minutes(1));
    for question in ["zoe luk", "CREME FRAICHE", "cote", "1", "#1"] {
        let path = format!("/api/orders?restaurantId={}&q={}", shop.id, encoded(question));
        let list = shop.owner.get(&path).await.expect(200);
        assert_eq!(list["data"].as_array().unwrap().len(), 1, "{question}");
    }
    assert_eq!(zoe.get("/api/orders?q=eloise").await.expect(200)["data"].as_array().unwrap().len(), 1);
}

/// The search words of every name are few and short, because they are computed at each write.
#[test]
fn search_words_of_the_longest_names_are_bounded() {
    let names = ["1a", "a-", "a'", "a ", "麻", "김", "ä", "ae", "ß", "ﷺ", "क्ष", "1 a ", "№", "👨"];
    for name in names.map(|part| part.chars().cycle().take(120).collect::<String>()) {
        let (before, words) = (comanda::step_count::counted(), words_of([name.as_str()]));
        let letters: usize = words.iter().map(|word| word.chars().count()).sum();
        let steps = comanda::step_count::counted() - before;
        assert!(
            words.len() <= 300 && letters <= 120 * 40 && steps <= 2 * 18 * 120,
            "{name}: {} {letters}",
            words.len()
        );
    }
}
