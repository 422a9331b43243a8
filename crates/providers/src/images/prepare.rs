//! Converts uploaded files to images without metadata: nothing of the original file is kept.
//!
//! The format is detected by the first bytes, never by the name. The size is read from the header and checked before
//! anything is decoded; other compressed content of the file is ignored (`chunks.rs`). The file must end where its
//! format says, so that nothing can be hidden after the image. Then the image is decoded, rotated by its EXIF
//! orientation, converted to sRGB, put on a white background, and encoded as JPEG, without locations, names and other
//! metadata. Names and sizes of the variants are in [`Variant`]; each is a field of [`PreparedImage`].

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits, Rgb, RgbImage};

use moxcms::{ColorProfile, Layout, TransformOptions};

use super::Variant;
use super::chunks::{LARGEST_PROFILE, bare_png};
use super::webp::{LARGEST_LOSSLESS, lossless_bytes};

/// The maximum width and height in pixels.
pub const LARGEST_SIDE: u32 = 10_000;
/// The minimum width and height in pixels.
pub const SMALLEST_SIDE: u32 = 16;
const QUALITY: u8 = 85;
const HERO_SIDE: u32 = 1_600;
const DETAIL_SIDE: u32 = 800;

/// The maximum number of scans of a JPEG: usual encoders write one, or about ten in a progressive one. Each is
/// decoded over the whole image.
const MAX_SCANS: usize = 20;
/// The bytes that a decoder needs for each pixel of a progressive JPEG: coefficients of 16 bits for three components,
/// and the image itself.
const PROGRESSIVE_PIXEL: u64 = 9;

/// The maximum size of an image.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The maximum number of pixels (width × height), from `IMAGE_MAX_PIXELS`. A decoded image may need four bytes a
    /// pixel, so an image with 16 bits a channel may have half as many pixels, and a progressive JPEG four ninths.
    pub max_pixels: u32,
}

impl Bounds {
    /// The maximum memory of a decoded image in bytes.
    const fn bytes(self) -> u64 {
        self.max_pixels as u64 * 4
    }
}

/// Why a file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It does not begin like a supported format.
    #[error("must be a JPEG, PNG or WebP image")]
    UnknownFormat,
    /// A photo format of phones that is not supported.
    #[error("is HEIC or AVIF, which is not supported: send it as JPEG, PNG or WebP")]
    Heif,
    /// The size in its header is out of range.
    #[error("must be {SMALLEST_SIDE} to {LARGEST_SIDE} pixels wide and high, and at most {0} pixels in all")]
    Size(u32),
    /// There is data after its end, or it is truncated.
    #[error("must end where its format says: it is incomplete, or there is other data after it")]
    Ending,
    /// It has more losslessly compressed data than is decoded.
    #[error("must hold at most {} kB that are compressed without loss: send it as JPEG, PNG or lossy WebP",
        LARGEST_LOSSLESS >> 10)]
    Lossless,
    /// It is a JPEG with more scans than any encoder writes.
    #[error("must have at most {MAX_SCANS} scans: save it as an ordinary JPEG")]
    Scans,
    /// It cannot be decoded; the message of the decoder is for the log.
    #[error("is damaged: open it in an image editor, save it again, and send that")]
    Damaged(String),
}

/// A prepared image: a JPEG for each variant.
#[derive(Debug, Clone)]
pub struct PreparedImage {
    /// The width of the largest variant in pixels.
    pub width: u32,
    /// The height of the largest variant in pixels.
    pub height: u32,
    /// A blurred placeholder of about 25 bytes, shown while the image is loaded:
    /// <https://evanw.github.io/thumbhash/>.
    pub thumbhash: Vec<u8>,
    /// 160 × 160.
    pub thumb: Vec<u8>,
    /// 400 × 300.
    pub card: Vec<u8>,
    /// At most 800 × 800.
    pub detail: Vec<u8>,
    /// At most 1600 × 1600.
    pub hero: Vec<u8>,
}

impl PreparedImage {
    /// The bytes of a variant.
    pub fn bytes(&self, variant: Variant) -> &[u8] {
        match variant {
            Variant::Thumb => &self.thumb,
            Variant::Card => &self.card,
            Variant::Detail => &self.detail,
            Variant::Hero => &self.hero,
        }
    }
}

/// Checks a file and prepares an image from it. It takes processor time and memory: call it on a separate thread, and
/// only a few times concurrently.
///
/// # Errors
/// [`Refusal`].
pub fn prepare(file: &[u8], bounds: Bounds) -> Result<PreparedImage, Refusal> {
    let is_heif = file.get(4..8) == Some(b"ftyp");
    let format = format_of(file).ok_or(if is_heif { Refusal::Heif } else { Refusal::UnknownFormat })?;
    let bare = (format == ImageFormat::Png).then(|| bare_png(file).ok_or(Refusal::Ending)).transpose()?;
    let ends_well = match format {
        ImageFormat::Jpeg => jpeg_ends_well(file),
        ImageFormat::Png => true,
        _ => webp_ends_well(file),
    };
    if !ends_well {
        return Err(Refusal::Ending);
    }
    if format == ImageFormat::WebP && lossless_bytes(file) > LARGEST_LOSSLESS {
        return Err(Refusal::Lossless);
    }
    let scans = if format == ImageFormat::Jpeg { JpegScans::of(file) } else { JpegScans::default() };
    if scans.count > MAX_SCANS {
        return Err(Refusal::Scans);
    }
    let pixel = if scans.is_progressive { PROGRESSIVE_PIXEL } else { 1 };
    let (image, profile) = decode(bare.as_deref().unwrap_or(file), format, bounds, pixel)?;
    drop(bare);
    // Scaled down first, because fewer pixels are converted then.
    let hero = within(&image, HERO_SIDE);
    drop(image);
    let hero = DynamicImage::from(in_srgb(flatten(&hero), profile.as_deref()));
    Ok(PreparedImage {
        width: hero.width(),
        height: hero.height(),
        thumbhash: thumbhash(&hero),
        thumb: encode(&hero.resize_to_fill(160, 160, FilterType::Triangle))?,
        card: encode(&hero.resize_to_fill(400, 300, FilterType::Triangle))?,
        detail: encode(&within(&hero, DETAIL_SIDE))?,
        hero: encode(&hero)?,
    })
}

/// Detects the format by the first bytes.
fn format_of(file: &[u8]) -> Option<ImageFormat> {
    match file {
        [0xFF, 0xD8, 0xFF, ..] => Some(ImageFormat::Jpeg),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some(ImageFormat::Png),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(ImageFormat::WebP),
        _ => None,
    }
}

/// The end-of-image marker must be last, except for zeros that some cameras add. Decoders accept files without it.
fn jpeg_ends_well(file: &[u8]) -> bool {
    let length = file.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    file[..length].ends_with(&[0xFF, 0xD9])
}

/// The length in the header is that of the file, padded to an even number.
fn webp_ends_well(file: &[u8]) -> bool {
    let length = file.get(4..8).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    length.and_then(|length| usize::try_from(length).ok()).is_some_and(|length| length + 8 == file.len())
}

/// Scales an image down to this width and height; it is never enlarged.
fn within(image: &DynamicImage, side: u32) -> DynamicImage {
    let fits = image.width().max(image.height()) <= side;
    if fits { image.clone() } else { image.resize(side, side, FilterType::Triangle) }
}

/// The storage of a JPEG (ITU T.81, annex B), as far as its markers describe it.
#[derive(Debug, Default, Clone, Copy)]
struct JpegScans {
    is_progressive: bool,
    count: usize,
}

impl JpegScans {
    fn of(file: &[u8]) -> Self {
        let mut found = Self::default();
        let mut at = 2;
        while let Some(marker) = next_marker(file, at) {
            at = marker + 2;
            match file[marker + 1] {
                0xD9 => break,
                // Markers without a length.
                0x01 | 0xD0..=0xD8 => continue,
                0xC2 | 0xC6 | 0xCA | 0xCE => found.is_progressive = true,
                0xDA => found.count += 1,
                _ => {}
            }
            let length = file.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map_or(2, u16::from_be_bytes);
            at += usize::from(length.max(2));
        }
        found
    }
}

/// The index of the next marker. Within a scan, 0xFF is followed by a zero.
fn next_marker(file: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += file.get(at..)?.iter().position(|byte| *byte == 0xFF)?;
        match file.get(at + 1)? {
            0x00 | 0xFF => at += 1,
            _ => return Some(at),
        }
    }
}

/// The upright image and its colour profile. `pixel`: the bytes that decoding needs for each pixel.
fn decode(
    file: &[u8],
    format: ImageFormat,
    bounds: Bounds,
    pixel: u64,
) -> Result<(DynamicImage, Option<Vec<u8>>), Refusal> {
    let too_large = || Refusal::Size(bounds.max_pixels);
    let damaged = |error: image::ImageError| match error {
        image::ImageError::Limits(_) => too_large(),
        other => Refusal::Damaged(other.to_string()),
    };
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST_SIDE);
    limits.max_image_height = Some(LARGEST_SIDE);
    limits.max_alloc = Some(bounds.bytes().saturating_mul(2));
    let mut reader = ImageReader::with_format(Cursor::new(file), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    // Only the header has been read so far.
    let (width, height) = decoder.dimensions();
    let sides = SMALLEST_SIDE..=LARGEST_SIDE;
    let pixels = u64::from(width) * u64::from(height);
    if !sides.contains(&width) || !sides.contains(&height) || pixels > u64::from(bounds.max_pixels) {
        return Err(too_large());
    }
    if decoder.total_bytes().max(pixels * pixel) > bounds.bytes() {
        return Err(too_large());
    }
    let orientation = decoder.orientation().map_err(damaged)?;
    // A profile that cannot be read or exceeds the limit is ignored.
    let profile = decoder.icc_profile().ok().flatten().filter(|profile| profile.len() <= LARGEST_PROFILE);
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    image.apply_orientation(orientation);
    Ok((image, profile))
}

/// Converts the colours of a profile to sRGB. An invalid profile is ignored.
fn in_srgb(image: RgbImage, profile: Option<&[u8]>) -> RgbImage {
    let Some(profile) = profile.and_then(|profile| ColorProfile::new_from_slice(profile).ok()) else { return image };
    let (srgb, options) = (ColorProfile::new_srgb(), TransformOptions::default());
    let Ok(transform) = profile.create_transform_8bit(Layout::Rgb, &srgb, Layout::Rgb, options) else { return image };
    let mut turned = vec![0; image.len()];
    match transform.transform(&image, &mut turned) {
        Ok(()) => RgbImage::from_raw(image.width(), image.height(), turned).unwrap_or(image),
        Err(_) => image,
    }
}

/// Eight bits a channel, on white.
fn flatten(image: &DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.to_rgb8();
    }
    let seen = image.to_rgba8();
    RgbImage::from_fn(seen.width(), seen.height(), |x, y| {
        let [red, green, blue, alpha] = seen.get_pixel(x, y).0;
        let on_white = |colour: u8| {
            let mixed = u16::from(colour) * u16::from(alpha) + 255 * (255 - u16::from(alpha));
            u8::try_from((mixed + 127) / 255).unwrap_or(u8::MAX)
        };
        Rgb([on_white(red), on_white(green), on_white(blue)])
    })
}

/// The placeholder is computed from an image of at most 100 × 100.
fn thumbhash(image: &DynamicImage) -> Vec<u8> {
    let small = image.thumbnail(100, 100).to_rgba8();
    // Both sides are at most 100.
    thumbhash::rgba_to_thumb_hash(small.width() as usize, small.height() as usize, small.as_raw())
}

fn encode(image: &DynamicImage) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
    image.write_with_encoder(encoder).map_err(|error| Refusal::Damaged(error.to_string()))?;
    Ok(bytes)
}
