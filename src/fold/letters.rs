//! Properties of letters: accents, plain forms, digits, and scripts without spaces. Pure.

use unicode_normalization::char::is_combining_mark;

/// Marks above and below letters of the Latin, Greek, Cyrillic, Hebrew and Arabic scripts, the tone marks of Thai and
/// Lao, and the dot (nukta) of the scripts of India, which many do not type. Other marks of those scripts are vowels,
/// and stay.
pub(super) const fn is_accent(letter: char) -> bool {
    matches!(
        letter,
        '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}'
        | '\u{5c5}' | '\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}'
        | '\u{6d6}'..='\u{6dc}' | '\u{6df}'..='\u{6e4}' | '\u{93c}' | '\u{9bc}' | '\u{a3c}' | '\u{abc}'
        | '\u{b3c}' | '\u{e48}'..='\u{e4c}' | '\u{ec8}'..='\u{ecc}'
    )
}

/// The stroke that makes Arabic words longer.
pub(super) const TATWEEL: char = '\u{640}';

/// Characters that are invisible and do not separate words: soft hyphens, joiners, marks of direction and of variants,
/// and the tatweel.
pub(super) const fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | TATWEEL | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// Letters that Unicode does not decompose, with the letters that are typed for them on keyboards without them.
pub(super) const fn plain_letter(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'ł' | 'ƚ' => "l",
        'đ' | 'ð' | 'ɖ' => "d",
        'þ' => "th",
        'ħ' => "h",
        'ı' => "i",
        'ŋ' => "n",
        'ŧ' => "t",
        'ĸ' => "k",
        'ƀ' => "b",
        'ǥ' => "g",
        'ə' => "e",
        'ς' => "σ",
        // The iota below Greek letters, which follows them in capitals.
        '\u{345}' => "ι",
        'ґ' => "г",
        // Arabic, Persian and Urdu keyboards, and letters that are written in two ways.
        'ى' | 'ی' => "ي",
        'ک' => "ك",
        'ة' | 'ہ' | 'ھ' | 'ە' => "ه",
        'ٱ' => "ا",
        // Final forms of Hebrew letters.
        'ך' => "כ",
        'ם' => "מ",
        'ן' => "נ",
        'ף' => "פ",
        'ץ' => "צ",
        // The nasal marks of Devanagari, which are used interchangeably.
        'ँ' => "ं",
        // Apostrophes and hyphens of all kinds, and the Hebrew geresh.
        '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2b9}'..='\u{2bf}' | '`' | '´' | '\u{2032}' | '\u{5f3}' => "'",
        '\u{2010}' | '\u{5be}' => "-",
        _ => return None,
    })
}

/// Zeros of other scripts that people write prices and sizes with; the nine other digits follow each.
const ZEROS: [char; 14] = [
    '\u{660}', '\u{6f0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{be6}', '\u{c66}', '\u{ce6}', '\u{d66}',
    '\u{e50}', '\u{ed0}', '\u{1040}', '\u{17e0}',
];

/// A digit of any of these scripts as 0 to 9, and katakana as hiragana; any other letter as it is.
pub fn common_form(letter: char) -> char {
    if letter < ZEROS[0] {
        return letter;
    }
    if matches!(letter, 'ァ'..='ヶ') {
        return char::from_u32(u32::from(letter) - (u32::from('ァ') - u32::from('ぁ'))).unwrap_or(letter);
    }
    let value = |zero: &char| u32::from(letter).checked_sub(u32::from(*zero)).filter(|value| *value < 10);
    let digit = ZEROS.iter().find_map(value).and_then(|value| char::from_digit(value, 10));
    digit.unwrap_or(letter)
}

/// Scripts that do not separate words by spaces, or in which parts of words are searched: from Devanagari to Burmese,
/// Tibetan, Khmer, kana, Chinese characters and Hangul.
pub(super) const fn is_found_inside(letter: char) -> bool {
    matches!(
        letter,
        '\u{900}'..='\u{109f}' | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17ff}' | '\u{1900}'..='\u{1aff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3100}'..='\u{318f}' | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{9fff}' | '\u{a000}'..='\u{a4cf}' | '\u{a960}'..='\u{a97f}'
        | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{1f200}'..='\u{1f2ff}'
        | '\u{20000}'..='\u{3ffff}'
    )
}

/// Characters of words: letters, digits, their marks, and symbols such as 🍕 that are not punctuation.
pub(super) fn is_part_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || (!letter.is_ascii() && is_combining_mark(letter))
}

pub(super) fn is_sign(letter: char) -> bool {
    let is_punctuation = letter.is_ascii_punctuation()
        || matches!(letter, '\u{a1}'..='\u{bf}' | '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{303f}');
    !is_punctuation && !is_part_of_word(letter) && !letter.is_whitespace() && !letter.is_control()
}
