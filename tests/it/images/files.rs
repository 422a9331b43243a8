//! Image files for tests: valid ones, and files of other types than they claim.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageEncoder as _, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use moxcms::ColorProfile;

/// The colour of the left half.
pub const RED: [u8; 3] = [220, 30, 30];
/// The colour of the right half.
pub const BLUE: [u8; 3] = [30, 30, 220];
/// A text in EXIF that must not be served.
pub const HIDDEN: &str = "44.4938 N, 11.3430 E, taken by Ada";

fn written(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Red on the left, blue on the right.
pub fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let image = RgbImage::from_fn(width, height, |x, _| Rgb(if x < width / 2 { RED } else { BLUE }));
    written(&image.into(), ImageFormat::Jpeg)
}

/// Red on the left, transparent on the right.
pub fn png(width: u32, height: u32) -> Vec<u8> {
    let [red, green, blue] = RED;
    let colour = |x: u32| if x < width / 2 { Rgba([red, green, blue, 255]) } else { Rgba([0, 0, 0, 0]) };
    written(&RgbaImage::from_fn(width, height, |x, _| colour(x)).into(), ImageFormat::Png)
}

/// The same in the newest of the formats.
pub fn webp(width: u32, height: u32) -> Vec<u8> {
    written(&RgbImage::from_pixel(width, height, Rgb(RED)).into(), ImageFormat::WebP)
}

/// One colour in Display P3, the colour space of phones.
pub fn display_p3(width: u32, height: u32, colour: [u8; 3]) -> Vec<u8> {
    let image = RgbImage::from_pixel(width, height, Rgb(colour));
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 100);
    encoder.set_icc_profile(ColorProfile::new_display_p3().encode().unwrap()).unwrap();
    encoder.write_image(&image, width, height, image::ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// With EXIF: an orientation, a location and an author.
pub fn with_exif(jpeg: Vec<u8>, orientation: u8) -> Vec<u8> {
    let text = format!("{HIDDEN}\0");
    let length = u32::try_from(text.len()).unwrap();
    // A TIFF of two entries: the orientation, and the artist, whose name follows them.
    let mut tiff = b"II*\0\x08\0\0\0\x02\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    tiff.extend_from_slice(&[orientation, 0, 0, 0]);
    tiff.extend_from_slice(b"\x3B\x01\x02\0");
    tiff.extend_from_slice(&length.to_le_bytes());
    tiff.extend_from_slice(&38_u32.to_le_bytes());
    tiff.extend_from_slice(&[0; 4]);
    assert_eq!(tiff.len(), 38);
    tiff.extend_from_slice(text.as_bytes());
    let mut segment = b"\xFF\xE1".to_vec();
    segment.extend_from_slice(&u16::try_from(tiff.len() + 8).unwrap().to_be_bytes());
    segment.extend_from_slice(b"Exif\0\0");
    segment.extend_from_slice(&tiff);
    let mut file = jpeg;
    file.splice(2..2, segment);
    file
}

/// The checksum of PNG's chunks.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

/// A PNG of a few bytes that claims to be of this size.
pub fn claiming(width: u32, height: u32) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = width.to_be_bytes().to_vec();
    header.extend_from_slice(&height.to_be_bytes());
    header.extend_from_slice(&[8, 2, 0, 0, 0]);
    for (name, content) in [(b"IHDR", header), (b"IDAT", vec![0x78, 0x9C, 0x03, 0x00]), (b"IEND", Vec::new())] {
        file.extend_from_slice(&u32::try_from(content.len()).unwrap().to_be_bytes());
        let chunk = [&name[..], &content].concat();
        file.extend_from_slice(&chunk);
        file.extend_from_slice(&crc(&chunk).to_be_bytes());
    }
    file
}
