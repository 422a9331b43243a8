//! Converts Hangul to the keys that are typed for it, so that half of a syllable is the beginning of the whole one: an
//! input method shows `핒` on the way to `피자`, and `고` on the way to `과자`. Pure.

/// The consonants that end a syllable, U+11A8 to U+11C2, as the keys of a two-set keyboard: by the consonants that
/// begin one.
const FINALS: [&str; 27] = [
    "ᄀ", "ᄁ", "ᄀᄉ", "ᄂ", "ᄂᄌ", "ᄂᄒ", "ᄃ", "ᄅ", "ᄅᄀ", "ᄅᄆ", "ᄅᄇ", "ᄅᄉ", "ᄅᄐ", "ᄅᄑ", "ᄅᄒ", "ᄆ",
    "ᄇ", "ᄇᄉ", "ᄉ", "ᄊ", "ᄋ", "ᄌ", "ᄎ", "ᄏ", "ᄐ", "ᄑ", "ᄒ",
];
/// The first final consonant.
const FIRST_FINAL: u32 = 0x11a8;

/// A vowel that takes two keys.
const fn two_keys(vowel: char) -> Option<&'static str> {
    Some(match vowel {
        'ᅪ' => "ᅩᅡ",
        'ᅫ' => "ᅩᅢ",
        'ᅬ' => "ᅩᅵ",
        'ᅯ' => "ᅮᅥ",
        'ᅰ' => "ᅮᅦ",
        'ᅱ' => "ᅮᅵ",
        'ᅴ' => "ᅳᅵ",
        _ => return None,
    })
}

/// Whether a word has a syllable or a letter of Hangul.
pub fn is_hangul(word: &str) -> bool {
    word.chars().any(|letter| matches!(letter, '\u{1100}'..='\u{11ff}' | '\u{ac00}'..='\u{d7a3}'))
}

/// A word with its syllables as the keys pressed for them; letters of other scripts stay.
pub fn keys(word: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;

    let mut keys = String::with_capacity(word.len() * 3);
    for letter in word.nfd() {
        let last = u32::from(letter).checked_sub(FIRST_FINAL).and_then(|index| usize::try_from(index).ok());
        match last.and_then(|index| FINALS.get(index)).copied().or_else(|| two_keys(letter)) {
            Some(pressed) => keys.push_str(pressed),
            None => keys.push(letter),
        }
    }
    keys
}
