//! Small files that decode to hundreds of megabytes: their memory is measured in a separate process.

use std::io::Write as _;
use std::process::Command;

use comanda_providers::images::{Bounds, Refusal, prepare};
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

use super::{Folder, files};

/// The decoded size of a bomb.
const UNPACKED: usize = 256 << 20;
/// The memory that an image of 64 by 64 may need besides the program.
const MAX_KILOBYTES: u64 = 48 << 10;

/// A greyscale PNG of 64 by 64 with this content.
fn png_of(packed: &[u8]) -> Vec<u8> {
    let header = [0, 0, 0, 64, 0, 0, 0, 64, 8, 0, 0, 0, 0];
    let chunks = [chunk(*b"IHDR", &header), chunk(*b"IDAT", packed), chunk(*b"IEND", &[])];
    [&b"\x89PNG\r\n\x1a\n"[..], &chunks.concat()].concat()
}

fn zeros() -> Vec<u8> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    for _ in 0..UNPACKED >> 20 {
        packed.write_all(&vec![0; 1 << 20]).unwrap();
    }
    packed.finish().unwrap()
}

fn chunk(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let mut sum = Crc::new();
    sum.update(&kind);
    sum.update(content);
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length[..], &kind, content, &sum.sum().to_be_bytes()].concat()
}

/// A PNG with chunks after its header.
fn png_with(chunks: &[Vec<u8>]) -> Vec<u8> {
    let png = files::png(64, 64);
    let behind_header = 8 + 25;
    [&png[..behind_header], &chunks.concat(), &png[behind_header..]].concat()
}

/// Bits as WebP packs them, the lowest first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    filled: u32,
}

impl Bits {
    fn push(&mut self, value: u32, count: u32) {
        for bit in 0..count {
            if self.filled.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |=
                u8::from(value.checked_shr(bit).unwrap_or(0) & 1 == 1) << (self.filled % 8);
            self.filled += 1;
        }
    }

    /// A tree of one symbol, which takes no bits.
    fn push_single(&mut self, symbol: u32) {
        self.push(1, 1);
        self.push(0, 1);
        self.push(1, 1);
        self.push(symbol, 8);
    }

    /// A tree of eleven symbols with codes of 1, 2, …, 9, 10 and 10 bits: its table has 1,024 entries.
    fn push_deep(&mut self) {
        // Lengths are written with codes of their own: 3 bits for 1 to 6, 4 bits for 7 to 10; in the order of the
        // format.
        let order = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10];
        self.push(0, 1);
        self.push(order.len() as u32 - 4, 4);
        for length in order {
            self.push(
                match length {
                    1..=6 => 3,
                    7..=10 => 4,
                    _ => 0,
                },
                3,
            );
        }
        // Eleven lengths follow.
        self.push(1, 1);
        self.push(1, 3);
        self.push(11 - 2, 4);
        for length in (1..=10).chain([10_u32]) {
            let (code, bits) = if length <= 6 { (length - 1, 3) } else { (12 + length - 7, 4) };
            self.push(code.reverse_bits() >> (32 - bits), bits);
        }
    }
}

/// A lossless image whose pixels could use this many groups of codes, as many as each group refers to.
fn webp_with(groups: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.push(0x2f, 8);
    bits.push(64 - 1, 14);
    bits.push(64 - 1, 14);
    // Without transparency, version, transforms and colour cache; with a meta image that assigns the groups to pixels.
    bits.push(0, 1 + 3 + 1 + 1);
    bits.push(1, 1);
    bits.push(0, 3);
    // Each pixel of the meta image is the last group, in its green and red channels.
    bits.push(0, 1);
    let last = groups - 1;
    for symbol in [last & 255, last >> 8, 0, 0, 0] {
        bits.push_single(symbol);
    }
    for _ in 0..groups * 5 {
        bits.push_deep();
    }
    // The pixels: of codes of one bit.
    bits.push(0, 64 * 64 * 4);
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_le_bytes();
    let mut content = bits.bytes;
    if !content.len().is_multiple_of(2) {
        content.push(0);
    }
    [&b"RIFF"[..], &length(content.len() + 12), b"WEBPVP8L", &length(content.len()), &content].concat()
}

/// The first chunk of the image, the one without loss, in another container: of a frame, or as transparency.
fn wrapped(lossless: &[u8], name: [u8; 4], header: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_le_bytes();
    let content = [header, &lossless[12..]].concat();
    let features = [2, 0, 0, 0, 63, 0, 0, 63, 0, 0];
    let chunks = [&b"VP8X"[..], &length(10), &features, &name, &length(content.len()), &content].concat();
    [&b"RIFF"[..], &length(chunks.len() + 4), b"WEBP", &chunks].concat()
}

/// With few groups the file is decoded, and is what it should be; with many it is refused, in every container.
#[test]
fn a_lossless_image_has_a_limited_number_of_code_groups() {
    let bounds = Bounds { max_pixels: 40_000_000 };
    assert_eq!(prepare(&webp_with(10), bounds).unwrap().width, 64);
    let many = webp_with(65_536);
    assert!(many.len() < 8 << 20, "{}", many.len());
    for file in [many.clone(), wrapped(&many, *b"ANMF", &[0; 16]), wrapped(&many, *b"ALPH", &[])] {
        assert_eq!(prepare(&file, bounds).unwrap_err(), Refusal::Lossless);
    }
}

/// A progressive JPEG may repeat the same scan many times, each for the whole image.
#[test]
fn an_image_has_a_limited_number_of_scans_and_decodes_in_bounded_memory() {
    let bounds = Bounds { max_pixels: 40_000_000 };
    let of = |side: [u8; 2], scans: usize| {
        let tables = [&[0xff, 0xc4, 0, 20, 0, 1][..], &[0; 15], &[0]].concat();
        let mut ac_tables = tables.clone();
        ac_tables[4] = 0x10;
        let quantization = [&[0xff, 0xdb, 0, 67, 0][..], &[1; 64]].concat();
        let frame = [0xff, 0xc2, 0, 11, 8, side[0], side[1], side[0], side[1], 1, 1, 0x11, 0];
        let scan = |from: u8, to: u8| [&[0xff, 0xda, 0, 8, 1, 1, 0, from, to, 0][..], &[0; 8]].concat();
        let mut file = [&[0xff, 0xd8][..], &quantization, &frame, &tables, &ac_tables, &scan(0, 0)].concat();
        (1..scans).for_each(|_| file.extend_from_slice(&scan(1, 63)));
        file.extend_from_slice(&[0xff, 0xd9]);
        file
    };
    let small = 64_u16.to_be_bytes();
    assert_eq!(prepare(&of(small, 20), bounds).unwrap().width, 64);
    for scans in [21, 99, 1_000] {
        assert_eq!(prepare(&of(small, scans), bounds).unwrap_err(), Refusal::Scans, "{scans}");
    }
    // A baseline JPEG of 40 million pixels is decoded; a progressive one would exceed the memory.
    assert!(matches!(prepare(&of(4_300_u16.to_be_bytes(), 1), bounds).unwrap_err(), Refusal::Size(_)));
}

fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let zeros = zeros();
    let with = |head: &[u8]| [head, &zeros].concat();
    let profile = || chunk(*b"iCCP", &with(b"bomb\0\0"));
    let text = || chunk(*b"zTXt", &with(b"Comment\0\0"));
    let international = || chunk(*b"iTXt", &with(b"Comment\0\x01\0en\0\0"));
    vec![
        ("a profile", png_with(&[profile()])),
        ("a text", png_with(&[text()])),
        ("an international text", png_with(&[international()])),
        ("more data than the image has", png_of(&zeros)),
        ("ten of each", png_with(&[vec![profile()], vec![text(); 10], vec![international(); 10]].concat())),
    ]
}

/// Decodes one image in a separate process; returns the largest memory of the process in kilobytes.
#[test]
#[ignore = "is run by the test below, once for each file"]
#[expect(clippy::disallowed_methods, reason = "what the test below tells its own process is no configuration")]
fn one_image() {
    let file = std::fs::read(std::env::var("PICTURE").unwrap()).unwrap();
    let before = peak();
    let image = prepare(&file, Bounds { max_pixels: 40_000_000 }).unwrap();
    writeln!(std::io::stdout(), "took {} kB for {} pixels", peak() - before, image.width).unwrap();
}

fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_small_file_takes_little_memory_whatever_it_unpacks_to() {
    let folder = Folder::new();
    for (name, file) in bombs() {
        assert!(file.len() < 8 << 20, "{name} is small: {}", file.len());
        std::fs::create_dir_all(folder.path()).unwrap();
        let path = std::path::Path::new(folder.path()).join("image.png");
        std::fs::write(&path, &file).unwrap();
        let probe = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "images::bombs::one_image", "--ignored", "--nocapture"])
            .env("PICTURE", &path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&probe.stdout).into_owned();
        let took = said.split("took ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
        let took = took.unwrap_or_else(|| panic!("{name}: {said} {}", String::from_utf8_lossy(&probe.stderr)));
        assert!(took < MAX_KILOBYTES, "{name}: {} bytes took {took} kB", file.len());
    }
}
