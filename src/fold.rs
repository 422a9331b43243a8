//! Folds texts and search queries by the same rules, so that they can be compared: a name is found as it is written, in
//! either case, without its accents, by each of its words, and, in scripts without spaces, by any part. Pure.
//!
//! Folded words are stored with the text, so that the database compares them without rules of its own.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

use crate::step_count;

mod hangul;
mod letters;

pub use letters::common_form;
use letters::{TATWEEL, is_accent, is_found_inside, is_invisible, is_part_of_word, is_sign, plain_letter};

/// The number of letters of a word that are compared.
const LONGEST_WORD: usize = 40;
/// The most words of a query that are searched; of more, the longest are used.
const MAX_QUERY_WORDS: usize = 10;

/// A text in small letters without accents.
pub fn fold(text: &str) -> String {
    step_count::step(letters(text));
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let small = text.nfkd().collect::<String>().to_lowercase();
    let mut folded = String::with_capacity(small.len());
    for letter in small.nfkd() {
        match plain_letter(letter) {
            Some(plain) => folded.push_str(plain),
            None if is_accent(letter) || is_invisible(letter) => {}
            None => folded.push(common_form(letter)),
        }
    }
    // A text of accents alone, such as ¨, is searched by them.
    if folded.trim().is_empty() {
        folded = small.nfkd().filter(|letter| !is_invisible(*letter) || *letter == TATWEEL).collect();
    }
    // Decomposed syllables and vowels are composed again; Thai ae is often typed as two e.
    let whole = folded.nfc().collect::<String>();
    if whole.contains("เเ") { whole.replace("เเ", "แ") } else { whole }
}

/// The cost of folding a text: the number of letters after decomposition. A few characters stand for whole words:
/// U+FDFA is eighteen letters. ASCII costs nearly nothing.
pub fn letters(text: &str) -> usize {
    let weight = |letter: char| match letter {
        '\u{3200}'..='\u{33ff}' | '\u{fdf0}'..='\u{fdff}' => 18,
        _ => 1,
    };
    if text.is_ascii() { text.len() / 16 } else { text.chars().map(weight).sum() }
}

/// The words of a folded text, in their order; of a text without words, all its visible characters.
fn split(folded: &str) -> Vec<Cow<'_, str>> {
    let mut words: Vec<Cow<'_, str>> = Vec::new();
    let mut begun = None;
    for (index, letter) in folded.char_indices() {
        if is_part_of_word(letter) {
            begun.get_or_insert(index);
            continue;
        }
        words.extend(begun.take().map(|begun: usize| Cow::Borrowed(&folded[begun..index])));
        if is_sign(letter) {
            words.push(Cow::Borrowed(&folded[index..index + letter.len_utf8()]));
        }
    }
    words.extend(begun.map(|begun| Cow::Borrowed(&folded[begun..])));
    if words.is_empty() {
        let seen: String = folded.chars().filter(|letter| !letter.is_whitespace() && !letter.is_control()).collect();
        words.extend((!seen.is_empty()).then_some(Cow::Owned(seen)));
    }
    words
}

/// The beginning of a folded word that is compared. A Hangul syllable is replaced by its letters (five keystrokes at
/// most).
fn beginning(word: &str) -> String {
    if word.is_ascii() {
        return word[..word.len().min(LONGEST_WORD)].to_owned();
    }
    let word: String = word.chars().take(LONGEST_WORD).collect();
    if hangul::is_hangul(&word) { hangul::keys(&word).chars().take(LONGEST_WORD).collect() } else { word }
}

/// Whether a number ends or begins between two letters.
const fn is_edge_of_number(before: char, after: char) -> bool {
    before.is_ascii_digit() != after.is_ascii_digit()
}

/// The most parts into which numbers divide a word.
const MAX_PARTS: usize = 8;

/// More search words for words with numbers, so that they are found with and without a space: `up` for `7up`, and `7up`
/// for `7`, `up`.
fn around_numbers(words: &[Cow<'_, str>]) -> Vec<String> {
    let mut found = Vec::new();
    for word in words {
        let edges = word.char_indices().zip(word.chars().skip(1));
        let edges = edges.filter(|((_, before), after)| is_edge_of_number(*before, *after));
        found.extend(edges.take(MAX_PARTS).map(|((index, before), _)| word[index + before.len_utf8()..].to_owned()));
    }
    for pair in words.windows(2) {
        if let (Some(before), Some(after)) = (pair[0].chars().last(), pair[1].chars().next())
            && is_edge_of_number(before, after)
        {
            found.push(format!("{}{}", pair[0], pair[1]));
        }
    }
    found
}

/// Words joined by an apostrophe or a hyphen, written as one, from each of them on: `obrien` for `o'brien`.
fn joined(folded: &str) -> Vec<String> {
    let mut words = Vec::new();
    for chain in folded.split(|letter: char| !is_part_of_word(letter) && !matches!(letter, '\'' | '-')) {
        let parts: Vec<_> = chain.split(['\'', '-']).filter(|part| !part.is_empty()).collect();
        for from in 0..parts.len().saturating_sub(1) {
            let letters = parts[from..].iter().flat_map(|part| part.chars());
            words.push(letters.take(LONGEST_WORD).collect());
        }
    }
    words
}

/// The other spelling of ä, ö, ü, ø and å, in which the letter is followed by an e or doubled; `None`: there is none of
/// them.
fn spelled_out(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let small = text.nfc().collect::<String>().to_lowercase();
    small.contains(['ä', 'ö', 'ü', 'ø', 'å']).then(|| {
        let pairs = [("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ø", "oe"), ("å", "aa")];
        pairs.iter().fold(small, |text, (letter, pair)| text.replace(letter, pair))
    })
}

/// A folded text in which ae, oe, ue and aa are read as ä, ö, ü and å, of which folding keeps a, o and u; `None`: it
/// has none of them.
fn contracted(folded: &str) -> Option<String> {
    let pairs = [("ae", "a"), ("oe", "o"), ("ue", "u"), ("aa", "a")];
    pairs
        .iter()
        .any(|(pair, _)| folded.contains(pair))
        .then(|| pairs.iter().fold(folded.to_owned(), |text, (pair, letter)| text.replace(pair, letter)))
}

/// The search words of texts, each once, sorted: a text is found by the beginning of any of them. For words in scripts
/// without spaces, every suffix is a search word.
pub fn words_of<'t>(texts: impl IntoIterator<Item = &'t str>) -> Vec<String> {
    let mut words = Vec::new();
    for text in texts {
        let folded = fold(text);
        let (contracted, spelled_out) = (contracted(&folded), spelled_out(text).map(|text| fold(&text)));
        for spelling in [Some(folded), contracted, spelled_out].into_iter().flatten() {
            add_words(&spelling, &mut words);
        }
    }
    words.sort_unstable();
    words.dedup();
    words
}

/// Adds the search words of a folded text.
fn add_words(folded: &str, words: &mut Vec<String>) {
    let found = split(folded);
    let has_digits = folded.bytes().any(|byte| byte.is_ascii_digit());
    let with_numbers = if has_digits { around_numbers(&found) } else { Vec::new() };
    let in_one = if folded.contains(['\'', '-']) { joined(folded) } else { Vec::new() };
    for word in found.iter().map(AsRef::as_ref).chain(with_numbers.iter().chain(&in_one).map(String::as_str)) {
        if !word.is_ascii() && word.chars().any(is_found_inside) {
            words.extend(word.char_indices().skip(1).map(|(index, _)| beginning(&word[index..])));
        }
        words.push(beginning(word));
    }
}

/// Words that mean "number" before a number, which are written in many ways.
const NUMBER_SIGNS: [&str; 5] = ["no", "nr", "n", "nro", "num"];

/// The words of a query: a text matches if each is the beginning of one of its search words. `№ 1`, `Nr. 1` and `#1`
/// search for the number.
pub fn query_words(query: &str) -> Vec<String> {
    let folded = fold(&query.replace('№', "no "));
    let mut words = split(&folded);
    for index in (1..words.len()).rev() {
        let is_number = words[index].starts_with(|letter: char| letter.is_ascii_digit());
        if is_number && NUMBER_SIGNS.contains(&&*words[index - 1]) {
            words.remove(index - 1);
        }
    }
    let mut words: Vec<_> = words.iter().map(|word| beginning(word)).collect();
    words.sort();
    words.dedup();
    words.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
    words.truncate(MAX_QUERY_WORDS);
    words
}

/// A folded text with Hangul as its keys.
fn comparable(text: &str) -> String {
    let folded = fold(text);
    if hangul::is_hangul(&folded) { hangul::keys(&folded) } else { folded }
}

/// A text to be searched for as a part of another text.
#[derive(Debug, Clone)]
pub struct Part {
    folded: String,
    words: String,
}

impl Part {
    /// From the text of a search.
    pub fn of(text: &str) -> Self {
        let folded = comparable(text);
        Self { words: split(&folded).join(" "), folded }
    }

    /// Whether a text contains it, as it is written or word by word.
    pub fn is_in(&self, text: &str) -> bool {
        let folded = comparable(text);
        folded.contains(&self.folded) || split(&folded).join(" ").contains(&self.words)
    }
}

/// `Crêperie Éloïse` becomes `creperie-eloise`, and `Στου Γιάννη` `stou-gianne`: words of a–z and 0–9 joined by
/// hyphens, at most 80 letters; empty if no letter of the name can be written so.
pub fn slug(name: &str) -> String {
    let latin = deunicode::deunicode_with_tofu(&fold(name), " ").to_ascii_lowercase();
    let words = latin.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").chars().take(80).collect::<String>().trim_matches('-').to_owned()
}
