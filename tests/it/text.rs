//! Text fields: normalisation, and refused characters, in every field.

use comanda::text::{MultiLine, SingleLine};
use proptest::prelude::*;

fn single(text: &str) -> Result<String, String> {
    SingleLine::<120>::try_from(text.to_owned()).map(String::from)
}

fn multi(text: &str) -> Result<String, String> {
    MultiLine::<500>::try_from(text.to_owned()).map(String::from)
}

#[test]
fn line_ends_and_tabs_are_normalised() {
    for (sent, kept) in [
        ("No onions\r\nRing twice", "No onions\nRing twice"),
        ("No onions\rRing twice", "No onions\nRing twice"),
        ("No onions\n\rRing twice", "No onions\n\nRing twice"),
        ("No onions\u{b}Ring\u{c}twice", "No onions\nRing\ntwice"),
        ("No onions\u{85}Ring\u{2028}twice\u{2029}!", "No onions\nRing\ntwice\n!"),
        ("No\tonions", "No onions"),
        ("\r\n\t No onions\t\u{a0}\r\n", "No onions"),
    ] {
        assert_eq!(multi(sent).as_deref(), Ok(kept), "{sent:?}");
    }
    for (sent, kept) in
        [("Pizza\tMargherita", "Pizza Margherita"), ("  Pizza\r\n", "Pizza"), ("\u{3000}ピザ\n", "ピザ")]
    {
        assert_eq!(single(sent).as_deref(), Ok(kept), "{sent:?}");
    }
}

#[test]
fn names_of_every_script_are_taken_as_they_are() {
    for name in [
        "Crêperie Éloïse",
        "ピザ",
        "ข้าวผัด",
        "मक्खन",
        "ΜΟΥΣΑΚΑΣ",
        "مطعم السلام",
        "בית הפיצה",
        "Łosoś",
        "김밥",
        "7",
        "№ 1",
        "👨\u{200d}🍳",
        "Zero\u{200b}width inside",
        "שלום\u{200f}!",
        "می\u{200c}خواهم",
        "–",
        "$",
        "e\u{301}",
    ] {
        assert_eq!(single(name).as_deref(), Ok(name));
        assert_eq!(multi(name).as_deref(), Ok(name));
    }
}

#[test]
fn a_text_without_visible_characters_is_refused() {
    let blank = [
        '\u{200b}',
        '\u{200c}',
        '\u{200d}',
        '\u{200e}',
        '\u{200f}',
        '\u{2060}',
        '\u{2061}',
        '\u{2064}',
        '\u{206f}',
        '\u{3164}',
        '\u{115f}',
        '\u{1160}',
        '\u{ffa0}',
        '\u{ad}',
        '\u{2800}',
        '\u{34f}',
        '\u{61c}',
        '\u{17b4}',
        '\u{180e}',
        '\u{feff}',
        '\u{fe0f}',
        '\u{fff0}',
        '\u{fffc}',
        '\u{e0041}',
        '\u{e0100}',
        '\u{1d159}',
        '\u{1d173}',
        '\u{301}',
        '\u{a0}',
        '\u{2003}',
        '\u{3000}',
        '\u{fffe}',
        '\u{10ffff}',
        '\u{e000}',
        '\u{16fe4}',
        ' ',
        '\t',
        '\n',
    ];
    for letter in blank {
        for text in [letter.to_string(), letter.to_string().repeat(3), format!(" {letter}\u{200b} ")] {
            assert!(single(&text).is_err(), "{text:?}");
            assert!(multi(&text).is_err(), "{text:?}");
        }
    }
    assert!(single("").is_err() && multi("").is_err());
}

#[test]
fn single_lines_have_no_breaks_and_no_text_has_overrides_or_controls() {
    for text in ["Pizza\nfree", "Pizza\r\nfree", "Pizza\u{2028}free"] {
        assert_eq!(single(text), Err("must be one line, without line breaks".into()), "{text:?}");
    }
    for letter in "\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}".chars() {
        assert!(single(&format!("Pizza {letter}99")).unwrap_err().contains("writing direction"));
    }
    // A note may contain Arabic and Latin text; overrides of the writing direction are used only to deceive.
    assert!(multi("for \u{2068}ليلى\u{2069}").is_ok());
    assert!(multi("Pizza \u{202e}99").is_err() && multi("Pizza \u{202d}99").is_err());
    for control in "\0\u{1}\u{7}\u{8}\u{1b}\u{7f}\u{80}\u{9f}".chars() {
        assert!(single(&format!("a{control}b")).is_err() && multi(&format!("a{control}b")).is_err(), "{control:?}");
    }
}

#[test]
fn stacked_combining_marks_are_refused() {
    let marks =
        |count: usize| format!("Z{}algo", "\u{301}\u{322}\u{489}".chars().cycle().take(count).collect::<String>());
    assert!(single(&marks(8)).is_ok() && multi(&marks(8)).is_ok());
    for text in [marks(9), marks(100), format!("Pizza {}", marks(40))] {
        assert!(single(&text).is_err() && multi(&text).is_err(), "{text}");
    }
    for name in ["בְּרֵאשִׁ֖ית", "བསྒྲུབས", "ข้าวผัดกุ้ง", "Việt Nam", "क्ष्म्य", "👨\u{200d}👩\u{200d}👧", "1\u{fe0f}\u{20e3}"]
    {
        assert_eq!(single(name).as_deref(), Ok(name));
    }
}

#[test]
fn lengths_count_characters_after_normalising() {
    assert_eq!(SingleLine::<5>::try_from("  ピザピザ!  ".to_owned()).map(String::from).as_deref(), Ok("ピザピザ!"));
    assert!(SingleLine::<5>::try_from("ピザピザ!!".to_owned()).is_err());
    assert!(MultiLine::<3>::try_from("a\r\nb".to_owned()).is_ok());
}

proptest! {
    #[test]
    fn accepted_texts_are_valid_and_accepted_again_unchanged(text in "[\\PC\r\n\t\u{b}\u{85}\u{2028}\u{202e}\u{200b} a]{0,40}") {
        if let Ok(kept) = single(&text) {
            let foreign = kept.contains(['\n', '\r', '\t', '\u{2028}', '\u{202e}']);
            prop_assert!(!foreign, "{kept:?}");
            prop_assert_eq!(kept.trim(), kept.as_str());
            prop_assert_eq!(single(&kept), Ok(kept.clone()));
            prop_assert_eq!(multi(&kept), Ok(kept));
        }
        if let Ok(kept) = multi(&text) {
            let foreign = kept.contains(['\r', '\t', '\u{b}', '\u{85}', '\u{2028}', '\u{202e}']);
            prop_assert!(!foreign, "{kept:?}");
            prop_assert_eq!(multi(&kept), Ok(kept));
        }
    }
}
