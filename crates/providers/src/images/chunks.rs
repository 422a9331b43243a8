//! Removes the chunks of a PNG that are not needed to decode its pixels. Texts and profiles are compressed, so that a
//! small file may contain hundreds of megabytes of them, and decoders decompress them without being asked.

use std::io::Read as _;

use flate2::read::ZlibDecoder;

/// The maximum size of a colour profile in bytes; those of cameras and screens have some kilobytes.
pub const LARGEST_PROFILE: usize = 1 << 20;
/// The maximum size of EXIF data in bytes: as much as a JPEG can contain.
const LARGEST_EXIF: usize = 64 << 10;

const SIGNATURE: usize = 8;
/// The bytes of a chunk besides its content: length, type and checksum.
const AROUND: usize = 12;

/// The PNG with only the chunks that its pixels need; `None`: its chunks do not end with an IEND at the end of the
/// file.
pub fn bare_png(file: &[u8]) -> Option<Vec<u8>> {
    let mut bare = Vec::with_capacity(file.len());
    bare.extend_from_slice(file.get(..SIGNATURE)?);
    let mut rest = &file[SIGNATURE..];
    loop {
        let length = usize::try_from(u32::from_be_bytes(rest.get(..4)?.try_into().ok()?)).ok()?;
        let (kind, end) = (rest.get(4..8)?, length.checked_add(AROUND)?);
        let (chunk, behind) = rest.split_at_checked(end)?;
        let is_needed = match kind {
            b"IHDR" | b"PLTE" | b"tRNS" | b"IDAT" | b"IEND" => true,
            b"eXIf" => length <= LARGEST_EXIF,
            b"iCCP" => is_small_profile(&chunk[8..8 + length]),
            _ => false,
        };
        if is_needed {
            bare.extend_from_slice(chunk);
        }
        if kind == b"IEND" {
            return behind.is_empty().then_some(bare);
        }
        rest = behind;
    }
}

/// Whether a profile is within the limit: it is decompressed only up to the limit, and nothing of it is kept.
fn is_small_profile(content: &[u8]) -> bool {
    // A name of at most 79 letters, a zero byte, and the compression method, of which there is one.
    let Some(name_end) = content.iter().take(80).position(|byte| *byte == 0) else { return false };
    let Some(packed) = content.get(name_end + 2..) else { return false };
    let max = LARGEST_PROFILE as u64 + 1;
    let unpacked = std::io::copy(&mut ZlibDecoder::new(packed).take(max), &mut std::io::sink());
    unpacked.is_ok_and(|length| length < max)
}
