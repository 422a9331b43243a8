//! What of a WebP is compressed without loss. A kilobyte of it may name so many tables of codes that a decoder makes a
//! third of a megabyte of them, whatever the size of the picture: up to 65,536 groups of five tables of four kilobytes.
//! The container: <https://developers.google.com/speed/webp/docs/riff_container>.

/// Most bytes of a WebP that may be compressed without loss, the transparency of a lossy picture included: with so
/// many, the tables take as much memory as a picture of 40,000,000 pixels.
pub const LARGEST_LOSSLESS: usize = 512 << 10;

/// `RIFF`, a length, `WEBP`.
const FILE_HEADER: usize = 12;
/// A name and a length.
const CHUNK_HEADER: usize = 8;
/// Place, size and duration of a frame, before its chunks.
const FRAME_HEADER: usize = 16;

/// Bytes of all chunks that are compressed without loss, those within frames included. A chunk that breaks off counts
/// as far as the file goes.
pub fn lossless_bytes(file: &[u8]) -> usize {
    let all = chunks(file.get(FILE_HEADER..).unwrap_or_default());
    let counted = |(name, content): (&[u8], &[u8])| match name {
        b"ANMF" => chunks(content.get(FRAME_HEADER..).unwrap_or_default()).map(lossless).sum(),
        _ => lossless((name, content)),
    };
    all.map(counted).sum()
}

fn lossless((name, content): (&[u8], &[u8])) -> usize {
    if matches!(name, b"VP8L" | b"ALPH") { content.len() } else { 0 }
}

/// Names and contents of chunks that follow one another.
fn chunks(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let (header, behind) = bytes.split_at_checked(CHUNK_HEADER)?;
        let (name, length) = header.split_at(4);
        let length = usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).unwrap_or(usize::MAX);
        let (content, rest) = behind.split_at(length.min(behind.len()));
        // Chunks begin at even places.
        bytes = rest.get(content.len() % 2..).unwrap_or_default();
        Some((name, content))
    })
}
