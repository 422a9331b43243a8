//! Small files that unpack to hundreds of megabytes: what they take is measured in a process of its own.

use std::io::Write as _;
use std::process::Command;

use comanda_providers::images::{Bounds, prepare};
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

use super::{Folder, files};

/// What a bomb unpacks to.
const UNPACKED: usize = 256 << 20;
/// And what a picture of 64 by 64 may take beside the program that looks at it.
const MOST_KILOBYTES: u64 = 48 << 10;

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

/// A PNG with chunks behind its header.
fn png_with(chunks: &[Vec<u8>]) -> Vec<u8> {
    let png = files::png(64, 64);
    let behind_header = 8 + 25;
    [&png[..behind_header], &chunks.concat(), &png[behind_header..]].concat()
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
        ("ten of each", png_with(&[vec![profile()], vec![text(); 10], vec![international(); 10]].concat())),
    ]
}

/// One picture, in a process that does nothing else; says how much memory the process took at most, in kilobytes.
#[test]
#[ignore = "is run by the test below, once for each file"]
#[expect(clippy::disallowed_methods, reason = "what the test below tells its own process is no configuration")]
fn one_picture() {
    let file = std::fs::read(std::env::var("PICTURE").unwrap()).unwrap();
    let before = peak();
    let picture = prepare(&file, Bounds { most_pixels: 40_000_000 }).unwrap();
    writeln!(std::io::stdout(), "took {} kB for {} pixels", peak() - before, picture.width).unwrap();
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
        let path = std::path::Path::new(folder.path()).join("picture.png");
        std::fs::write(&path, &file).unwrap();
        let probe = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "pictures::bombs::one_picture", "--ignored", "--nocapture"])
            .env("PICTURE", &path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&probe.stdout).into_owned();
        let took = said.split("took ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
        let took = took.unwrap_or_else(|| panic!("{name}: {said} {}", String::from_utf8_lossy(&probe.stderr)));
        assert!(took < MOST_KILOBYTES, "{name}: {} bytes took {took} kB", file.len());
    }
}
