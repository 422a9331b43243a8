//! The losslessly compressed data of a WebP. A kilobyte of it may define so many Huffman tables that a decoder
//! allocates a third of a gigabyte for them, whatever the size of the image: up to 65,536 groups of five tables of
//! four kilobytes. The container: <https://developers.google.com/speed/webp/docs/riff_container>.

/// The maximum number of losslessly compressed bytes of a WebP, the alpha channel of a lossy image included: with
/// that many, the tables need as much memory as an image of 40,000,000 pixels.
pub const LARGEST_LOSSLESS: usize = 512 << 10;

/// The length of the file header: `RIFF`, a length, `WEBP`.
const FILE_HEADER: usize = 12;
/// The length of a chunk header: a name and a length.
const CHUNK_HEADER: usize = 8;
/// The length of the header of a frame (position, size, duration), which is followed by chunks.
const FRAME_HEADER: usize = 16;

/// The number of bytes of all losslessly compressed chunks, those within frames included. A truncated chunk counts up
/// to the end of the file.
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

/// The names and contents of consecutive chunks.
fn chunks(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let (header, behind) = bytes.split_at_checked(CHUNK_HEADER)?;
        let (name, length) = header.split_at(4);
        let length = usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).unwrap_or(usize::MAX);
        let (content, rest) = behind.split_at(length.min(behind.len()));
        // Chunks begin at even offsets.
        bytes = rest.get(content.len() % 2..).unwrap_or_default();
        Some((name, content))
    })
}
