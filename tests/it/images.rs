//! Images: accepted files, generated variants, where they are served, and when they are deleted.

mod bombs;
mod cloudinary;
mod fake;
pub mod files;
mod spec;

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use comanda::images::actions::delete_unused::delete_unused;
use image::{DynamicImage, GenericImageView as _};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::Value;

use crate::app::TestApp;
use crate::people::Person;
use crate::reply::Reply;
use crate::shop::Shop;

/// A folder that is deleted after the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("images-{}", uuid::Uuid::new_v4().simple());
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// The number of files in it.
    fn files(&self) -> usize {
        let mut folders = vec![self.0.clone()];
        let mut count = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { count += 1 }
            }
        }
        count
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn app_with(folder: &Folder, changes: &[(&str, &str)]) -> TestApp {
    let mut all = vec![("IMAGE_DIR", folder.path())];
    all.extend_from_slice(changes);
    TestApp::with(&all).await
}

/// Sends a file as the whole body, with a media type that does not matter.
async fn sends(person: &Person, path: &str, file: Vec<u8>) -> Reply {
    let request = person.request(Method::POST, path).header("content-type", "application/octet-stream");
    person.send(request.body(file)).await
}

fn image_path_of(shop: &Shop) -> String {
    shop.path(&format!("/items/{}/image", shop.any_dish().id))
}

/// The response of an address.
async fn shown(app: &TestApp, address: &Value) -> DynamicImage {
    let reply = app.stranger().get(address.as_str().unwrap()).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "image/jpeg"));
    for hidden in [&b"Exif"[..], files::HIDDEN.as_bytes()] {
        assert!(!reply.bytes.windows(hidden.len()).any(|window| window == hidden), "something hidden is served");
    }
    image::load_from_memory(&reply.bytes).unwrap()
}

/// Whether a pixel has about this colour.
fn is_about(image: &DynamicImage, x: u32, y: u32, colour: [u8; 3]) -> bool {
    let image::Rgba([red, green, blue, _]) = image.get_pixel(x, y);
    [red, green, blue].iter().zip(colour).all(|(seen, wanted)| seen.abs_diff(wanted) < 40)
}

#[tokio::test]
async fn an_image_is_encoded_again_in_four_sizes() {
    let folder = Folder::new();
    let app = app_with(&folder, &[]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    // 2400 wide, 1800 high, red on the left; its EXIF orientation is 90° clockwise.
    let file = files::with_exif(files::jpeg(2400, 1800), 6);
    let item = sends(&luigi.owner, &image_path_of(&luigi), file).await.expect(200);
    let image = &item["image"];
    assert_eq!((image["width"].as_u64(), image["height"].as_u64()), (Some(1200), Some(1600)));
    let hero = shown(&app, &image["hero"]).await;
    assert_eq!(hero.dimensions(), (1200, 1600));
    // The left side is at the top now.
    assert!(is_about(&hero, 600, 100, files::RED) && is_about(&hero, 600, 1500, files::BLUE));
    for (variant, size) in [("thumb", (160, 160)), ("card", (400, 300)), ("detail", (600, 800))] {
        assert_eq!(shown(&app, &image[variant]).await.dimensions(), size, "{variant}");
    }
    // The placeholder has the same proportions, and colours between red and blue.
    let hash = STANDARD.decode(image["thumbhash"].as_str().unwrap()).unwrap();
    assert!(hash.len() <= 25, "{}", hash.len());
    assert!(thumbhash::thumb_hash_to_approximate_aspect_ratio(&hash).unwrap() < 1.0);
    let (width, height, rgba) = thumbhash::thumb_hash_to_rgba(&hash).unwrap();
    let pixel = |row: usize| &rgba[(row * width + width / 2) * 4..][..3];
    let (top, bottom) = (pixel(height / 8), pixel(height - 1 - height / 8));
    assert!(top[0] > top[2] && bottom[2] > bottom[0], "{top:?} {bottom:?}");
    let menu = app.stranger().get(&luigi.path("/menu")).await.expect(200);
    assert_eq!(&menu["categories"][0]["items"][0]["image"], image);

    let gone = luigi.owner.delete(&image_path_of(&luigi)).await.expect(200);
    assert_eq!(gone["image"], Value::Null);
    assert_eq!(
        app.stranger().get(&luigi.path("/menu")).await.expect(200)["categories"][0]["items"][0]["image"],
        Value::Null
    );
}

#[tokio::test]
async fn a_form_with_one_file_is_accepted_and_small_images_are_not_enlarged() {
    let folder = Folder::new();
    let app = app_with(&folder, &[]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let path = luigi.path("/image");
    let part = |file: Vec<u8>| Part::bytes(file).file_name("../../etc/passwd.exe").mime_str("text/html").unwrap();
    let sends = async |form: Form| luigi.owner.send(luigi.owner.request(Method::POST, &path).multipart(form)).await;
    let form = Form::new().text("note", "from the phone").part("anything", part(files::png(320, 200)));
    let restaurant = sends(form).await.expect(200);
    let hero = shown(&app, &restaurant["image"]["hero"]).await;
    assert_eq!(hero.dimensions(), (320, 200));
    assert!(is_about(&hero, 10, 100, files::RED));
    // Transparent pixels are white.
    assert!(is_about(&hero, 310, 100, [255, 255, 255]));
    assert_eq!(app.stranger().get(&luigi.path("")).await.expect(200)["image"], restaurant["image"]);
    let two = Form::new().part("a", part(files::png(20, 20))).part("b", part(files::png(20, 20)));
    sends(two).await.refused(400, "malformed_request");
    sends(Form::new().text("note", "no file")).await.refused(400, "malformed_request");
    // A form of thousands of empty parts took seconds to parse.
    let notes = (0..8).fold(Form::new(), |form, _| form.text("note", ""));
    sends(notes.part("a", part(files::png(20, 20)))).await.refused(400, "malformed_request");
    let webp = sends(Form::new().part("a", part(files::webp(64, 48)))).await.expect(200);
    assert_eq!(webp["image"]["width"], 64);
}

#[tokio::test]
async fn images_are_served_as_immutable() {
    let folder = Folder::new();
    let app = app_with(&folder, &[]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let item = sends(&luigi.owner, &image_path_of(&luigi), files::jpeg(64, 48)).await.expect(200);
    let address = item["image"]["card"].as_str().unwrap();
    let stranger = app.stranger();
    let first = stranger.get(address).await;
    assert_eq!(first.status, 200);
    assert_eq!(first.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!((first.header("x-content-type-options"), first.header("content-disposition")), ("nosniff", "inline"));
    let tag = first.header("etag");
    for held in [tag.to_owned(), format!("\"other\", W/{tag}"), "*".into()] {
        let again = stranger.send(stranger.request(Method::GET, address).header("if-none-match", &held)).await;
        assert_eq!((again.status, again.bytes.len(), again.header("etag")), (304, 0, tag), "{held}");
        assert_eq!(again.header("cache-control"), first.header("cache-control"));
    }
    let other = stranger.send(stranger.request(Method::GET, address).header("if-none-match", "\"other\"")).await;
    assert_eq!((other.status, &other.bytes), (200, &first.bytes));
    let (folder, _) = address.rsplit_once('/').unwrap();
    for missing in ["huge.jpg", "card.png", "card.jpg.part", "..%2f..%2fcard.jpg", "card"] {
        stranger.get(&format!("{folder}/{missing}")).await.refused(404, "not_found");
    }
    let elsewhere = address.replace("/img_", "/img_0").replace("/rst_", "/../rst_");
    assert_eq!(stranger.get(&elsewhere).await.status, 404);
}

#[tokio::test]
async fn damaged_images_are_refused() {
    let folder = Folder::new();
    let app = app_with(&folder, &[("IMAGE_MAX_BYTES", "200000")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let path = image_path_of(&luigi);
    let jpeg = files::jpeg(640, 480);
    let behind = |mut file: Vec<u8>, what: &[u8]| {
        file.extend_from_slice(what);
        file
    };
    let cases: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("nothing", Vec::new(), 415, "unsupported_image"),
        ("a GIF", b"GIF89a\x01\x00\x01\x00\x80\x00\x00".to_vec(), 415, "unsupported_image"),
        ("an SVG", b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>".to_vec(), 415, "unsupported_image"),
        ("a HEIC", b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic".to_vec(), 415, "unsupported_image"),
        ("a page", b"<!doctype html><img src=x>".to_vec(), 415, "unsupported_image"),
        ("half a JPEG", jpeg[..jpeg.len() / 2].to_vec(), 422, "unacceptable_image"),
        ("a PNG without its end", files::png(64, 64)[..80].to_vec(), 422, "unacceptable_image"),
        ("a JPEG with a zip behind it", behind(jpeg.clone(), b"PK\x03\x04"), 422, "unacceptable_image"),
        ("a PNG with a page behind it", behind(files::png(64, 64), b"<script>1</script>"), 422, "unacceptable_image"),
        ("a WebP with more behind it", behind(files::webp(64, 64), b"more"), 422, "unacceptable_image"),
        ("a PNG of noise", files::claiming(64, 64), 422, "unacceptable_image"),
        ("too small an image", files::png(15, 64), 422, "unacceptable_image"),
        ("a bomb of 30000 by 30000", files::claiming(30_000, 30_000), 422, "unacceptable_image"),
        ("a bomb of 65535 by 65535", files::claiming(65_535, 65_535), 422, "unacceptable_image"),
        ("a bomb of 9999 by 9999", files::claiming(9_999, 9_999), 422, "unacceptable_image"),
        ("a bomb of 4294967295 by 1", files::claiming(u32::MAX, 1), 422, "unacceptable_image"),
        ("too many bytes", vec![0; 200_001], 413, "body_too_large"),
        ("far too many bytes", vec![0; 400_000], 413, "body_too_large"),
    ];
    for (what, file, status, code) in cases {
        let reply = sends(&luigi.owner, &path, file).await;
        assert_eq!(reply.status, status, "{what}: {}", reply.text());
        reply.refused(status, code);
    }
    let zeros = behind(jpeg, &[0; 16]);
    sends(&luigi.owner, &path, zeros).await.expect(200);
    let text = luigi.owner.request(Method::POST, &path).header("content-type", "text/plain").body("hello");
    luigi.owner.send(text).await.refused(415, "unsupported_media_type");
    assert_eq!(app.count("select count(*) from images").await, 1);
    assert_eq!(folder.files(), 4);
}

#[tokio::test]
async fn staff_upload_item_images_and_managers_those_of_the_restaurant() {
    let folder = Folder::new();
    let app = app_with(&folder, &[]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (dish, own_image) = (image_path_of(&luigi), luigi.path("/image"));
    let staff = app.staff_of(&luigi).await;
    sends(&staff, &dish, files::png(20, 20)).await.expect(200);
    sends(&staff, &own_image, files::png(20, 20)).await.refused(403, "forbidden");
    let other = app.restaurant("Other").opens().await;
    for person in [app.customer("Ada").await, other.owner.clone()] {
        sends(&person, &dish, files::png(20, 20)).await.refused(404, "not_found");
        sends(&person, &own_image, files::png(20, 20)).await.refused(404, "not_found");
        person.delete(&own_image).await.refused(404, "not_found");
    }
    sends(&app.stranger(), &own_image, files::png(20, 20)).await.refused(401, "unauthenticated");
    let missing = other.path(&format!("/items/{}/image", luigi.any_dish().id));
    sends(&other.owner, &missing, files::png(20, 20)).await.refused(404, "not_found");
    assert_eq!(folder.files(), 4);
}

#[tokio::test]
async fn colours_of_other_profiles_are_converted() {
    let folder = Folder::new();
    let app = app_with(&folder, &[]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let item = sends(&luigi.owner, &image_path_of(&luigi), files::display_p3(64, 64, [200, 100, 50])).await.expect(200);
    let image::Rgba([red, green, blue, _]) = shown(&app, &item["image"]["hero"]).await.get_pixel(32, 32);
    // The same colour in the smaller space: more red, less green and blue.
    assert!(red > 208 && green < 99 && blue < 40, "{red} {green} {blue}");
}

#[tokio::test]
async fn an_unused_image_is_deleted_after_the_grace_period() {
    let folder = Folder::new();
    let app = app_with(&folder, &[("IMAGE_KEEP_IDLE", "1h"), ("IMAGE_COLLECT_INTERVAL", "24h")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let app_state = &app.running().app;
    let first = sends(&luigi.owner, &image_path_of(&luigi), files::png(20, 20)).await.expect(200);
    let second = sends(&luigi.owner, &image_path_of(&luigi), files::png(20, 20)).await.expect(200);
    assert_ne!(first["image"], second["image"]);
    sends(&luigi.owner, &luigi.path("/image"), files::png(20, 20)).await.expect(200);
    assert_eq!(folder.files(), 12);
    // It is marked as unused now, and kept for an hour.
    assert_eq!(delete_unused(app_state).await.unwrap(), 0);
    app.advance_clock(TimeDelta::minutes(59));
    assert_eq!(delete_unused(app_state).await.unwrap(), 0);
    app.advance_clock(TimeDelta::minutes(2));
    assert_eq!(delete_unused(app_state).await.unwrap(), 1);
    assert_eq!((folder.files(), app.count("select count(*) from images").await), (8, 2));
    assert_eq!(app.stranger().get(first["image"]["card"].as_str().unwrap()).await.status, 404);
    shown(&app, &second["image"]["card"]).await;
    // An image that is deleted with its item, and one that the restaurant deletes.
    luigi.owner.delete(&luigi.path(&format!("/items/{}", luigi.any_dish().id))).await.expect(204);
    luigi.owner.delete(&luigi.path("/image")).await.expect(200);
    assert_eq!(delete_unused(app_state).await.unwrap(), 0);
    app.advance_clock(TimeDelta::minutes(61));
    assert_eq!(delete_unused(app_state).await.unwrap(), 2);
    assert_eq!((folder.files(), app.count("select count(*) from images").await), (0, 0));
}

#[tokio::test]
async fn files_left_by_a_crash_are_deleted() {
    let folder = Folder::new();
    let app = app_with(&folder, &[("IMAGE_COLLECT_INTERVAL", "24h")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let app_state = &app.running().app;
    // A row without files; files without a reference; a deleted image that still has its row.
    sends(&luigi.owner, &image_path_of(&luigi), files::png(20, 20)).await.expect(200);
    app.execute("update menu_items set image_id = null; update images set shown = null").await;
    app.execute(
        "insert into images (restaurant_id, id, provider, key, created_at)
              select restaurant_id, gen_random_uuid(), provider, key || '0', created_at from images",
    )
    .await;
    // And one at a provider that is not configured: it is kept.
    app.execute(
        "insert into images (restaurant_id, id, provider, key, created_at)
              select restaurant_id, gen_random_uuid(), 'elsewhere', key, created_at from images limit 1",
    )
    .await;
    assert_eq!(delete_unused(app_state).await.unwrap(), 0);
    app.advance_clock(TimeDelta::hours(2));
    assert_eq!(delete_unused(app_state).await.unwrap(), 2);
    assert_eq!(delete_unused(app_state).await.unwrap(), 0);
    assert_eq!((folder.files(), app.count("select count(*) from images").await), (0, 1));
}

#[tokio::test]
async fn images_beyond_the_decoding_limit_are_refused() {
    let folder = Folder::new();
    let app = app_with(&folder, &[("IMAGE_DECODES_AT_ONCE", "1"), ("IMAGE_DECODE_QUEUE", "1")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (path, file) = (image_path_of(&luigi), files::jpeg(3000, 2000));
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (person, path, file) = (luigi.owner.clone(), path.clone(), file.clone());
        crowd.spawn(async move { sends(&person, &path, file).await });
    }
    let replies = crowd.join_all().await;
    let taken = replies.iter().filter(|reply| reply.status == 200).count();
    assert!((1..12).contains(&taken), "{taken} were taken");
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        reply.refused(503, "busy");
        assert_eq!(reply.header("retry-after"), "5");
    }
}
