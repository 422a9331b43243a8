//! Texts prepared to be searched, and what is searched for, by the same rules: a name is found as it is written, in either
//! case, without its accents, by each of its words, and in scripts without spaces by any part of it. Pure.
//!
//! What is prepared here is stored beside the text, so that the database compares and never folds by rules of its own.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::work;

/// Longest beginning of a word that is compared.
const LONGEST_WORD: usize = 40;
/// Most words that are looked for: of more, the longest.
const MOST_WANTED: usize = 10;

/// Marks above and below letters of the Latin, Greek, Cyrillic, Hebrew and Arabic scripts, which many do not type. Marks of
/// other scripts are vowels, and stay.
const fn is_accent(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5bd}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}')
}

/// What is not to be seen and joins or parts nothing: soft hyphens, joiners, marks of direction and of variants.
const fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// Letters that Unicode does not take apart, as people type them who do not have them.
const fn plain_letter(letter: char) -> Option<&'static str> {
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
        // The iota below Greek letters, which stands behind them in capitals.
        '\u{345}' => "ι",
        _ => return None,
    })
}

/// A text in small letters without accents.
pub fn fold(text: &str) -> String {
    work::step(letters(text));
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let small = text.nfkd().collect::<String>().to_lowercase();
    let mut folded = String::with_capacity(small.len());
    for letter in small.nfkd() {
        match plain_letter(letter) {
            Some(plain) => folded.push_str(plain),
            None if is_accent(letter) || is_invisible(letter) => {}
            None => folded.push(letter),
        }
    }
    // Syllables and vowels that were taken apart are put together again.
    folded.nfc().collect()
}

/// How much work it is to fold a text, in letters that are taken apart and put together again. A few signs stand for whole
/// words: U+FDFA is eighteen letters. ASCII is only made small, which costs next to nothing.
pub fn letters(text: &str) -> usize {
    let weight = |letter: char| match letter {
        '\u{3200}'..='\u{33ff}' | '\u{fdf0}'..='\u{fdff}' => 18,
        _ => 1,
    };
    if text.is_ascii() { text.len() / 16 } else { text.chars().map(weight).sum() }
}

/// Scripts whose words are not parted, or are asked for by parts: from Devanagari to Burmese, Tibetan, Khmer, kana, Chinese
/// characters and Hangul.
const fn is_found_inside(letter: char) -> bool {
    matches!(letter, '\u{900}'..='\u{109f}' | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17ff}' | '\u{1900}'..='\u{1aff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3100}'..='\u{318f}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{9fff}'
        | '\u{a000}'..='\u{a4cf}' | '\u{a960}'..='\u{a97f}' | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}'
        | '\u{1f200}'..='\u{1f2ff}' | '\u{20000}'..='\u{3ffff}')
}

/// Of what words are made: letters, digits, their marks, and signs such as 🍕 that are no punctuation.
fn is_part_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || is_combining_mark(letter)
}

fn is_sign(letter: char) -> bool {
    let is_punctuation = letter.is_ascii_punctuation()
        || matches!(letter, '\u{a1}'..='\u{bf}' | '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{303f}');
    !is_punctuation && !is_part_of_word(letter) && !letter.is_whitespace() && !letter.is_control()
}

/// The words of a folded text, in their order; of a text that has none, all of it that can be seen.
fn split(folded: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut goes_on = false;
    for letter in folded.chars() {
        if is_part_of_word(letter) {
            match words.last_mut().filter(|_| goes_on) {
                Some(word) => word.push(letter),
                None => words.push(letter.into()),
            }
        } else if is_sign(letter) {
            words.push(letter.into());
        }
        goes_on = is_part_of_word(letter);
    }
    if words.is_empty() {
        let seen: String = folded.chars().filter(|letter| !letter.is_whitespace() && !letter.is_control()).collect();
        words.extend(Some(seen).filter(|seen| !seen.is_empty()));
    }
    words
}

fn beginning(word: &str) -> String {
    word.chars().take(LONGEST_WORD).collect()
}

/// The words by which texts are found, each once, in order: whoever looks for the beginning of one finds it. Of words in
/// scripts without spaces every end is one.
pub fn words_of<'t>(texts: impl IntoIterator<Item = &'t str>) -> Vec<String> {
    let mut words = Vec::new();
    for word in texts.into_iter().flat_map(|text| split(&fold(text))) {
        if word.chars().any(is_found_inside) {
            words.extend(word.char_indices().skip(1).map(|(place, _)| beginning(&word[place..])));
        }
        words.push(beginning(&word));
    }
    words.sort();
    words.dedup();
    words
}

/// What is looked for: the beginnings of words, all of which have to be found.
pub fn wanted(question: &str) -> Vec<String> {
    let mut words: Vec<_> = split(&fold(question)).iter().map(|word| beginning(word)).collect();
    words.sort();
    words.dedup();
    words.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
    words.truncate(MOST_WANTED);
    words
}

/// Part of a text that is looked for, in one go.
#[derive(Debug, Clone)]
pub struct Part {
    folded: String,
    words: String,
}

impl Part {
    /// As somebody writes it.
    pub fn of(text: &str) -> Self {
        let folded = fold(text);
        Self { words: split(&folded).join(" "), folded }
    }

    /// Whether a text has it in it, as it is written or word by word.
    pub fn is_in(&self, text: &str) -> bool {
        let folded = fold(text);
        folded.contains(&self.folded) || split(&folded).join(" ").contains(&self.words)
    }
}

/// `Crêperie Éloïse` becomes `creperie-eloise`, and `Στου Γιάννη` `stou-gianne`: words of a–z and 0–9 joined by hyphens, at
/// most 80 letters; empty if there is nothing in it that can be spelled so.
pub fn slug(name: &str) -> String {
    let latin = deunicode::deunicode_with_tofu(&fold(name), " ").to_ascii_lowercase();
    let words = latin.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").chars().take(80).collect::<String>().trim_matches('-').to_owned()
}
